"""headwork: an explicit-weight transformer compiler. Programs in, exact weights out; nothing is trained."""

from .cli.ends import end_at_once, is_command

if is_command():
    end_at_once()  # before the other imports, which take most of a second

import sys
from typing import TYPE_CHECKING

from . import programs, protocols, rasp
from .compiler.domain import Alphabet, Domain
from .compiler.errors import (
    CapacityError,
    CheckpointError,
    DomainError,
    EngineError,
    EngineWarning,
    ExactnessError,
    HeadworkError,
    InputError,
    ProgramError,
    ProgramWarning,
)
from .compiler.language import (
    Hit,
    Mean,
    Program,
    Selector,
    Value,
    loop,
    match,
    maximum,
    minimum,
    previous,
    program,
    scan,
    select,
    table,
    unrolled,
    visible,
    where,
)
from .mpc import Inbox, Protocol, all_reduce, broadcast, gather, machine, protocol, request, run_protocol, scatter, shuffle
from .runtime.interpret import interpret

if TYPE_CHECKING:
    from .certificate.certify import Certificate, certify
    from .certificate.loops import LoopCertificate
    from .certificate.margins import MarginCertificate
    from .certificate.precision import Precision, precision
    from .certificate.proofs import write_proof
    from .certificate.refused import Refused
    from .certificate.robustness import Robustness, robustness
    from .certificate.verdict import Verdict, verify
    from .execution.session import Session
    from .export.labels import Labels
    from .export.read import certify_export, check_export, export_labels, read_export
    from .export.write import Exported
    from .lab.attribution import auroc, edge_scores
    from .lab.bridge import to_transformer_lens
    from .lab.certified import InterventionCertificate, certify_interventions
    from .lab.circuit import Circuit, circuit
    from .lab.disguise import Disguised, Key, disguise, restore
    from .lab.intervene import Intervention, intervene
    from .lab.necessity import Necessity, necessity
    from .lab.tools import ToolEdges, tool_edges
    from .lab.trace import Trace, trace
    from .lab.tracer import AttributionGraph, attribution_graph
    from .learning.compare import Comparison, compare
    from .learning.data import data
    from .learning.fresh import fresh
    from .report.page import Page
    from .runtime.check import Report, check
    from .runtime.cost import Cost
    from .runtime.files import load
    from .runtime.generate import generate
    from .runtime.looped import Looped
    from .runtime.model import Model, compile
    from .runtime.pad import Architecture
    from .runtime.sample import log_counts, sample
    from .runtime.stages import diagnose
    from .suite.build import build_suite
    from .suite.draw import random_program
    from .suite.score import Scored, score_suite
    from .theory.bounds import bounds, one_layer
    from .theory.frontier import Frontier, frontier
    from .theory.minimal import Minimal, minimal_layers
    from .theory.over import bounds_over
    from .theory.search import search_one_layer
    from .theory.statement import Bound, Statement
    from .theory.uniform import Uniform, uniform

__version__ = "0.1.0"  # the only place: the package's metadata and `headwork --version` read it here

_LATE = {
    "Bound": "theory.statement",
    "fresh": "learning.fresh",
    "data": "learning.data",
    "Comparison": "learning.compare",
    "compare": "learning.compare",
    "Certificate": "certificate.certify",
    "AttributionGraph": "lab.tracer",
    "attribution_graph": "lab.tracer",
    "to_transformer_lens": "lab.bridge",
    "Circuit": "lab.circuit",
    "Disguised": "lab.disguise",
    "auroc": "lab.attribution",
    "edge_scores": "lab.attribution",
    "Intervention": "lab.intervene",
    "Key": "lab.disguise",
    "disguise": "lab.disguise",
    "restore": "lab.disguise",
    "Necessity": "lab.necessity",
    "ToolEdges": "lab.tools",
    "Trace": "lab.trace",
    "necessity": "lab.necessity",
    "tool_edges": "lab.tools",
    "intervene": "lab.intervene",
    "InterventionCertificate": "lab.certified",
    "certify_interventions": "lab.certified",
    "circuit": "lab.circuit",
    "trace": "lab.trace",
    "Cost": "runtime.cost",
    "Exported": "export.write",
    "Architecture": "runtime.pad",
    "Model": "runtime.model",
    "Report": "runtime.check",
    "Session": "execution.session",
    "bounds": "theory.bounds",
    "bounds_over": "theory.over",
    "certify": "certificate.certify",
    "check": "runtime.check",
    "compile": "runtime.model",
    "diagnose": "runtime.stages",
    "Frontier": "theory.frontier",
    "frontier": "theory.frontier",
    "generate": "runtime.generate",
    "load": "runtime.files",
    "LoopCertificate": "certificate.loops",
    "Looped": "runtime.looped",
    "log_counts": "runtime.sample",
    "Minimal": "theory.minimal",
    "minimal_layers": "theory.minimal",
    "one_layer": "theory.bounds",
    "Page": "report.page",
    "precision": "certificate.precision",
    "random_program": "suite.draw",
    "build_suite": "suite.build",
    "score_suite": "suite.score",
    "Scored": "suite.score",
    "MarginCertificate": "certificate.margins",
    "Robustness": "certificate.robustness",
    "robustness": "certificate.robustness",
    "Precision": "certificate.precision",
    "certify_export": "export.read",
    "export_labels": "export.read",
    "Labels": "export.labels",
    "check_export": "export.read",
    "read_export": "export.read",
    "Refused": "certificate.refused",
    "Verdict": "certificate.verdict",
    "sample": "runtime.sample",
    "Statement": "theory.statement",
    "search_one_layer": "theory.search",
    "Uniform": "theory.uniform",
    "uniform": "theory.uniform",
    "verify": "certificate.verdict",
    "write_proof": "certificate.proofs",
}


def __getattr__(name: str) -> object:
    """What needs torch or sympy is imported when first used, so that the command line starts at once."""
    if name not in _LATE:
        raise AttributeError(f"module 'headwork' has no attribute {name!r}", name=name, obj=sys.modules[__name__])
    from importlib import import_module

    return getattr(import_module(f".{_LATE[name]}", __name__), name)


def __dir__() -> list[str]:
    """All public names, also those that are not imported yet, for completion."""
    return sorted({*globals(), *__all__})


__all__ = [
    "Alphabet",
    "Architecture",
    "AttributionGraph",
    "Bound",
    "CapacityError",
    "Certificate",
    "CheckpointError",
    "Circuit",
    "Comparison",
    "Cost",
    "Disguised",
    "Domain",
    "DomainError",
    "EngineError",
    "EngineWarning",
    "ExactnessError",
    "Exported",
    "Frontier",
    "HeadworkError",
    "Hit",
    "Inbox",
    "InputError",
    "Intervention",
    "InterventionCertificate",
    "Key",
    "Labels",
    "LoopCertificate",
    "Looped",
    "MarginCertificate",
    "Mean",
    "Minimal",
    "Model",
    "Necessity",
    "Page",
    "Precision",
    "Program",
    "ProgramError",
    "ProgramWarning",
    "Protocol",
    "Refused",
    "Report",
    "Robustness",
    "Scored",
    "Selector",
    "Session",
    "Statement",
    "ToolEdges",
    "Trace",
    "Uniform",
    "Value",
    "Verdict",
    "all_reduce",
    "attribution_graph",
    "auroc",
    "bounds",
    "bounds_over",
    "broadcast",
    "build_suite",
    "certify",
    "certify_export",
    "certify_interventions",
    "check",
    "check_export",
    "circuit",
    "compare",
    "compile",
    "data",
    "diagnose",
    "disguise",
    "edge_scores",
    "export_labels",
    "fresh",
    "frontier",
    "gather",
    "generate",
    "interpret",
    "intervene",
    "load",
    "log_counts",
    "loop",
    "machine",
    "match",
    "maximum",
    "minimal_layers",
    "minimum",
    "necessity",
    "one_layer",
    "precision",
    "previous",
    "program",
    "programs",
    "protocol",
    "protocols",
    "random_program",
    "rasp",
    "read_export",
    "request",
    "restore",
    "robustness",
    "run_protocol",
    "sample",
    "scan",
    "scatter",
    "score_suite",
    "search_one_layer",
    "select",
    "shuffle",
    "table",
    "to_transformer_lens",
    "tool_edges",
    "trace",
    "uniform",
    "unrolled",
    "verify",
    "visible",
    "where",
    "write_proof",
]
