"""What subscribers write to ports: stored before the carrier gets its answer, joined, obeyed, screened, brought."""
