"""English sentences in a brand's name: "This is Royal Mail", "HSBC: we noticed …", "Your Netflix account is locked"."""

from __future__ import annotations

import re

from pipeline.rules.speaker.said import Said, Sureness

# In front of a name: the text tells of the brand.
_TOLD_OF = re.compile(
    r"(?:pretend\w* (?:to be|they are)|posing as|impersonat\w*|claim\w* to be|fake|scam\w*|beware of|not|unlike"
    r"|like|than|by|via|on|at|with|"
    r"using|use|from your|through|accept|accepts|and|or|to|into|for|if|when|unless|whether|because|as|after|since"
    r"|says|said|against|versus|vs)"
    r"(?: the)?\s*$"
)
_INTRODUCED = re.compile(
    r"(?:(?:this|it) is|we at|it's|this's|here is|(?:i am|i'm|we are|we're)(?: from)?|(?:i'm|i am|we're"
    r"|we are)? ?(?:calling|texting|writing|messaging|contacting you) (?:you )?(?:from|on behalf of)"
    r"|(?:message|msg|alert|notice|notification|notice|reminder|update|info|statement|warning) from|on behalf of"
    r"|here at|official|welcome to|(?:hello|hi|greetings|congratulations|good news) from|(?:thank you"
    r"|thanks) for (?:banking|being|staying|shopping|choosing)(?: \w+){0,2}(?: with)?)"
    r"(?: the| your)?\s*$"
)
_NOT_A_NAME = re.compile(
    r"(?:'s|s'| gift| voucher| store| shop| seller| reseller| partner| users?\b| customers\b| price| link"
    r"| code for| day)"
)
_STARTS = re.compile(
    r"(?: (?:bank|alerts?|notices?|security|support|customer (?:service|care|support)|fraud(?: (?:team|dept"
    r"|department|alert|prevention))?|online|team|delivery|updates?|info"
    r"|notifications?|notify|msg|rewards|express|card|uk|us|india|account|billing|service|services|help ?desk"
    r"|parcel|text|verification|pay|wallet|reminder|warning|final notice|free msg))*"
    r"(?:\s?:|\s?[\-–—|>]{1,2}\s?(?=\S)|\s(?=alert\b|notice\b)|,?\s(?=your\b|we\b|you\b|dear\b|hello\b|please\b|our\b"
    r"|an? (?:payment|new|unusual|transaction|login|sign|request|parcel|package)\b))"
)
_ALERT = re.compile(
    r"(?: bank| card| account)? (?:security |fraud |card |account |transaction |delivery |parcel |service "
    r"|payment )?(?:alert|notice|notification|warning|reminder)s?\b"
)
_ACTS = re.compile(
    r"(?: bank| support| team| security| express| pay| prime| customer (?:service|care))*,? (?:"
    r"has (?:just )?(?:detected|noticed|blocked|suspended|locked|limited|restricted|placed|put|frozen|declined"
    r"|identified|flagged|deducted|debited|approved|selected|chosen|been unable|tried|attempted|found|registered"
    r"|detained|stopped|cancelled|deactivated)"
    r"|have (?:detected|noticed|blocked|suspended|been unable|tried|attempted|selected|placed)"
    r"|(?:detected|noticed|blocked|suspended|declined|approved|informs|reminds|advises|thanks|requires|requests"
    r"|regrets|welcomes|congratulates|alerts|notifies) "
    r"|needs (?:you|your|to)|is (?:holding|unable|trying to|contacting|reviewing|offering you|giving|pleased"
    r"|sorry|required)|was unable|were unable"
    r"|could ?n[o']t|couldn't|cannot|can't|can not|attempted|tried to|will (?:charge|suspend|close|block|debit"
    r"|never|terminate|deduct|return)|would like)"
)
_SECOND = re.compile(r"\b(?:you|your|ur|u)\b")
_YOURS = re.compile(r"\b(?:your|ur)(?: [a-z]{2,10})?\s$")
_WAY = re.compile(
    r"\b(?:to|from|with|via|into|using|use|through|in|on|link|linked|of|for|by|enter|track|against|onto|under|and"
    r"|or|connect|add|have|open|check|show|bring|scan) (?:your|ur)(?: [a-z]{2,10})?\s$"
)
_THING = (
    r"(?: (?:bank|savings|current|checking|credit|debit|business|online|mobile|premium|prime|express|customer"
    r"|personal|visa|delivery|internet|net))*"
    r"(?: (?:account|a/c|acct|ac|card|package|parcel|shipment|delivery|order|membership|subscription|wallet"
    r"|profile|id|payment|bill|points|rewards|line|number|sim|plan|login|password|"
    r"benefits|refund|page|store|shop|channel|item|letter|mail|credentials|access|toll|balance|statement|record"
    r"|licence|license"
    r"|application|session|passcode|profile|service|kyc))?"
)
_TROUBLE = re.compile(
    rf"{_THING}(?!\w).{{0,40}}?(?:suspend|lock|limited|restrict|block|disabl|deactivat|clos(?:ed|ure)|on hold"
    rf"|\bheld\b|expir|compromis|flagged|unusual|suspicious|overdue|past due|frozen|froze|unable"
    r"|fail|return to sender|returned to|terminat|cancel|verif(?:y|ied|ication)|confirm your|unauthori|incomplete"
    r"|undeliver|could not be delivered|couldn't be delivered|cannot be delivered|customs|declined|was used"
    r"|been used|paused?\b|(?:did not|didn't) go through|removed|deleted|bounced|accessed|logged in"
    r"|sign(?:ed)?[- ]in attempt"
    r"|new device|violat)"
)
_BOOKED = re.compile(
    rf"{_THING}(?!\w).{{0,40}}?(?:debited|credited|charged|updated|renew|pending|\bdue\b|\bcode\b|\botp\b"
    rf"|passcode|\bpin\b|ending|spent|available|statement)"
)
_HERE = re.compile(r"(?: \w+){0,2} here\b")  # Evri driver here, at the beginning of a text
_YOURS_AT = re.compile(  # your account at Barclays
    r"\b(?:your|ur) (?:\w+ ){0,2}?(?:account|a/c|card|loan|profile|wallet|parcel|package|shipment|order"
    r"|plan) (?:at|with|from)(?: the)? $"
)
_LOCKED = re.compile(  # SBI account has been blocked, at the beginning of a text
    rf"{_THING}(?<=\w) (?:has|have|is|was|will|needs?|must)\b.{{0,30}}?(?:suspend|lock|limited|restrict|block|deactivat"
    r"|clos(?:ed|ure)|on hold|\bheld\b|expire|frozen|disabled|verif|updat)"
)
_ALARM = re.compile(  # a new device has tried to log in to your HSBC account
    r"\b(?:attempt|device|sign[- ]?in|log[- ]?in|logon|access|payment|transaction|activity|withdrawal|transfer|payee)\b"
    r".{0,30}? (?:to|on|in|from|for|at) (?:your|ur)(?: [a-z]{2,10})?\s$"
)
_NOT_YOU = re.compile(r".{0,50}?(?:\bif (?:this|it|you did)|not you\b|n't you\b|unauthor|unrecogni)")
_ADDRESSED = re.compile(r"(?:dear|hello|hi|valued|esteemed|attention|attn:?)(?: valued| our)?\s$")
_ADDRESSEE = re.compile(
    r"(?: \w+){0,2},? (?:customer|user|member|client|cardholder"
    r"|card holder|subscriber|shopper|account holder|player|driver|guest|patient|taxpayer)s?\b"
)
_SIGNS_OFF = re.compile(
    r"(?:[.!?\n]\s*|[\s.,][\-–—~]+\s*|regards,?\s*|thanks,?\s*|sincerely,?\s*|yours,?\s*|(?:team|your) "
    r"|faithfully,?\s*|thank you,?\s*"
    r")(?:the )?$"
)
_ENDS = re.compile(
    r"(?: (?:team|bank|bank ltd|bank limited|customer (?:care|service|services|support)|support|security"
    r"|security team|fraud team|fraud department|india|uk|us|inc|ltd|limited|delivery|billing))*"
    r"[.!]?\s*(?:t&cs? apply\.?)?(?:(?:reply|text|txt|send)\b.{0,30}|stop\b.{0,20})?$"
)
_BEGINS = re.compile(  # the text, a sentence, or what follows a greeting
    r"(?:^|[.!?:;,\n\]】]\s*|(?:customer|dear \w{2,15}|hi|hello"
    r"|hey)(?: \w{2,15})?[,!:]? )(?:the )?$"
)


def speaks_english(said: Said) -> Sureness | None:
    """Whether an English sentence speaks as the brand that it names."""
    before, behind = said.before, said.behind
    if _ADDRESSED.search(before) and _ADDRESSEE.match(behind):
        return "sure"
    if _NOT_A_NAME.match(behind):
        return None
    if _INTRODUCED.search(before):
        return "sure"
    if said.at_start and (_STARTS.match(behind) or _ALERT.match(behind)):
        return "sure"
    if said.near_end and _SIGNS_OFF.search(before) and _ENDS.match(behind):
        return "sure"
    if said.at_start and (_LOCKED.match(behind) or _HERE.match(behind)):
        return "sure"
    if _YOURS_AT.search(before) and _TROUBLE.match(behind):
        return "sure"
    if _YOURS.search(before):
        if _ALARM.search(before) and _NOT_YOU.match(behind):
            return "sure"
        if _WAY.search(before):
            return None
        if _TROUBLE.match(behind):
            return "sure"
        return "perhaps" if _BOOKED.match(behind) else None
    if _BEGINS.search(before) and not _TOLD_OF.search(before):
        acts = _ACTS.match(behind)
        if acts and _SECOND.search(behind, acts.end() - 4):
            return "sure"
    return None
