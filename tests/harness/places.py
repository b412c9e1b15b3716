"""The folder of this checkout, and the folder of the research data, which are not part of the project."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESEARCH = Path(os.environ.get("ANTISPAM_RESEARCH_DATA", ROOT.parent / "shared" / "data"))
