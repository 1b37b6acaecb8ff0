"""headwork: an explicit-weight transformer compiler. Programs in, exact weights out; nothing is trained."""

from .compiler.domain import Alphabet, Domain
from .compiler.errors import CheckpointError, DomainError, ExactnessError, HeadworkError, InputError, ProgramError
from .compiler.language import Program, Value, match, maximum, minimum, previous, program, table, where
