"""The sections of the report, Section V of the paper and what we add: one file each, in the page's order."""

from genedge.paper.sections.budget import BUDGET
from genedge.paper.sections.claims import CLAIMS_JUDGED
from genedge.paper.sections.convergence import CONVERGENCE
from genedge.paper.sections.hits import HITS
from genedge.paper.sections.quality import QUALITY
from genedge.paper.sections.section import ReportSection
from genedge.paper.sections.sensitivity import SENSITIVITY
from genedge.paper.sections.trade_off import TRADE_OFF
from genedge.paper.sections.utility import UTILITY
from genedge.paper.sections.watch import WATCH

SECTIONS: dict[str, ReportSection] = {
    "claims": CLAIMS_JUDGED,
    "convergence": CONVERGENCE,
    "hits": HITS,
    "utility": UTILITY,
    "quality": QUALITY,
    "trade-off": TRADE_OFF,
    "budget": BUDGET,
    "sensitivity": SENSITIVITY,
    "watch": WATCH,
}
