"""Where tests find this checkout, and the research data that lies beside it and is not part of it."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESEARCH = Path(os.environ.get("ANTISPAM_RESEARCH_DATA", ROOT.parent / "shared" / "data"))
