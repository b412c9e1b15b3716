"""Watch of the rules: hit rates against their own history with alarms, precision by verdicts, rules without use."""
