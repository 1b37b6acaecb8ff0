"""The `headwork` command. Exit codes: 0 fine, 1 a check failed, 2 the user's mistake, 128 + S where signal S stopped it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer
from typer.core import TyperGroup

from ..compiler.domain import Symbol
from ..compiler.errors import ExactnessError, HeadworkError, InputError
from .ends import ending, stopping
from .input import Given, parse_alphabet, parse_lengths, read_sequences
from .lecture import lecture, train
from .mpc import mpc
from .programs import Source, blame, complete, find

if TYPE_CHECKING:
    from ..runtime.model import Model

Stage: TypeAlias = Literal["program", "graph", "optimised", "plan", "schedule", "layout", "weights"]
Dtype: TypeAlias = Literal["float64", "float32", "float16", "bfloat16"]


TOKENS = "Words, 'a b c', a JSON list, a file of either, or - for standard input"
FORMS = "A library program, the directory of a checkpoint or an export, or your own: path/to/file.py:name."
Wanted = Annotated[str, typer.Argument(metavar="PROGRAM", help=FORMS, show_default=False, autocompletion=complete)]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the program; repeatable.")]
Length = Annotated[int | None, typer.Option(metavar="N", min=1, help="The longest sequence.")]
AlphabetOption = Annotated[
    str | None, typer.Option("--alphabet", metavar="V", help="A size, symbols a,b,c or 'a b c', or @file.json; default: the program's own.")
]
DtypeOption = Annotated[Dtype | None, typer.Option("--dtype", help="The arithmetic to be exact in; default float32.")]
Code = Annotated[
    str | None, typer.Option(metavar="CODE", help="The lookups' code: auto, scalar, digits:R, binary or onehot; default auto.")
]
Heads = Annotated[int | None, typer.Option(metavar="H", min=1, help="At most so many heads a layer.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Commands(TyperGroup):
    """The commands; a user's mistake ends any of them with its message and exit code 2."""

    def invoke(self, ctx: typer.Context) -> object:
        """Run the command that was asked for."""
        try:
            with stopping():
                return super().invoke(ctx)
        except HeadworkError as error:
            message = str(error)
        except OSError as error:
            if error.filename is None:
                raise
            message = f"{error.filename}: {error.strerror}"
        from .display import cut, shown

        typer.echo(f"error: {shown(cut(message))}", err=True)
        raise typer.Exit(2)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


app.add_typer(mpc, name="mpc")
app.command("lecture")(lecture)
app.command("train")(train)


def _version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

        typer.echo(f"headwork {__version__}")
        raise typer.Exit


@app.callback()
def headwork(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """Compile short attention programs to transformers whose weights are constructed, not trained."""


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the library's programs with their parameters and attention layers."""
    from .. import programs
    from .display import console, say_json, table

    entries = [programs.entry(name) for name in programs.names()]
    if as_json:
        say_json([{"name": e.name, "parameters": dict(e.parameters), "layers": e.layers_formula, "summary": e.summary} for e in entries])
        return
    rows = [[e.name, ", ".join(map(_default, e.parameters.items())), e.layers_formula, e.summary] for e in entries]
    console().print(table(["program", "parameters", "layers", "what it does"], rows))


@app.command("compile")
def compile_(
    program: Wanted,
    length: Annotated[int, typer.Option(metavar="N", min=1, help="The longest sequence.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to save the checkpoint.")],
    settings: Settings = None,
    alphabet: AlphabetOption = None,
    dtype: DtypeOption = None,
    code: Code = None,
    heads: Heads = None,
    as_json: AsJson = False,
) -> None:
    """Compile a program, save it as a checkpoint, and print what it costs."""
    from .display import console, cost_table, say, say_json

    source = find(program, settings or ())
    if isinstance(source, Path):
        raise InputError(f"{program} is compiled already", hint="compile takes a library program or path/to/file.py:name")
    model = _model(source, length, parse_alphabet(alphabet), dtype, code, heads)
    saved = model.save(out)
    if as_json:
        sizes = {"length": model.length, "alphabet": len(model.alphabet.symbols), "dtype": model.dtype}
        say_json({"name": model.name, **sizes, "cost": model.cost.as_dict(), "saved": str(saved)})
        return
    say(_headline(model))
    console().print(cost_table({model.name: model.cost}))
    say(f"saved in {saved}")


@app.command()
def export(
    program: Wanted,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where to write the checkpoint.")],
    to: Annotated[str, typer.Option(metavar="TARGET", help="The architecture: gpt2, llama, mistral, qwen2, onnx or gguf.")] = "gpt2",
    settings: Settings = None,
    length: Annotated[int | None, typer.Option(metavar="N", min=1, help="The longest sequence; default 64.")] = None,
    alphabet: AlphabetOption = None,
    dtype: DtypeOption = None,
    code: Code = None,
    check: Annotated[bool | None, typer.Option(help="Run the files against the interpreter; default: where that is installed.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a program or a checkpoint as one that stock tools load, such as GPT2LMHeadModel; check it from its files."""
    from .display import say, say_json, status

    source = find(program, settings or ())
    # Code and dtype are the target's, so they are chosen after the program is compiled.
    model = _model(source, length, parse_alphabet(alphabet), None, None, None, default_length=64)
    with status(f"exporting {model.name}"):
        report = model.export(out, to, code=code or "auto", dtype=dtype or "auto", check=check)
    if as_json:
        say_json(report.as_dict())
    else:
        say(str(report))


@app.command("run")
def run_(
    program: Wanted,
    tokens: Annotated[str, typer.Option("--input", metavar="TOKENS", help=f"{TOKENS}, or a JSON list of lists.")],
    settings: Settings = None,
    length: Length = None,
    alphabet: AlphabetOption = None,
    dtype: DtypeOption = None,
    code: Code = None,
    heads: Heads = None,
    as_json: AsJson = False,
) -> None:
    """Run a checkpoint or a program on tokens; prints words for words and JSON for JSON."""
    from .display import say, say_json, words

    source = find(program, settings or ())
    given = read_sequences(tokens)
    model = _model_for(source, given, 0, length, alphabet, dtype, code, heads)
    results = model.run(given.in_symbols_of(model.alphabet))
    if as_json or given.json:
        say_json(results if given.batch else results[0])
        return
    for row in results:
        say(words(row))  # pyright: ignore[reportArgumentType]


@app.command()
def generate(
    program: Wanted,
    prompt: Annotated[str, typer.Option(metavar="TOKENS", help=f"How the text begins: {TOKENS[0].lower()}{TOKENS[1:]}.")],
    steps: Annotated[int, typer.Option(metavar="S", min=0, help="How many tokens to say at most.")],
    settings: Settings = None,
    length: Annotated[int | None, typer.Option(metavar="N", min=1, help="The longest text; default: the prompt and all steps.")] = None,
    alphabet: AlphabetOption = None,
    seed: Annotated[int, typer.Option(help="The seed, where a program counts and tokens are drawn by its counts.")] = 0,
    dtype: DtypeOption = None,
    code: Code = None,
    heads: Heads = None,
    as_json: AsJson = False,
) -> None:
    """Say what follows a prompt, token by token, up to ⊥; where a program counts, draw by its counts."""
    from ..runtime.generate import generate as generate_text
    from ..runtime.sample import is_distribution, sample
    from .display import say, say_json, words

    source = find(program, settings or ())
    given = read_sequences(prompt)
    if given.batch:
        raise InputError(f"--prompt {prompt} holds several texts", hint="give one")
    model = _model_for(source, given, steps, length, alphabet, dtype, code, heads)
    (text,) = given.in_symbols_of(model.alphabet)
    said = sample(model, text, steps, seed) if is_distribution(model.graph) else generate_text(model, text, steps)
    if as_json or given.json:
        say_json(said)
    else:
        say(words(said))


@app.command()
def check(
    program: Wanted,
    settings: Settings = None,
    length: Annotated[int | None, typer.Option(metavar="N", min=1, help="The longest sequence; default 64.")] = None,
    alphabet: AlphabetOption = None,
    samples: Annotated[int, typer.Option(metavar="S", min=0, help="How many random sequences.")] = 64,
    seed: Annotated[int, typer.Option(help="The seed of the random sequences.")] = 0,
    exhaustive: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Also every sequence of at most N tokens; default: a few hundred of them.")
    ] = None,
    lengths: Annotated[str | None, typer.Option(metavar="1,8,64", help="The lengths of the sequences.")] = None,
    dtype: DtypeOption = None,
    code: Code = None,
    heads: Heads = None,
    as_json: AsJson = False,
) -> None:
    """Compare every value inside the transformer with the interpreter; exit code 1 where they differ. An export's own tool runs it."""
    from ..export.read import check_export
    from ..runtime.check import check as check_model
    from .display import progress, say, say_json

    source = find(program, settings or ())
    model = _model(source, length, parse_alphabet(alphabet), dtype, code, heads, default_length=64)
    inputs = source.samples(model.alphabet, model.length, seed) if isinstance(source, Source) else []
    with progress(f"checking {model.name}") as step:
        if isinstance(source, Path) and _exported(source):
            report = check_export(source, samples=samples, lengths=parse_lengths(lengths), seed=seed, exhaustive=exhaustive)
        else:
            report = check_model(
                model, samples=samples, lengths=parse_lengths(lengths), seed=seed, exhaustive=exhaustive, inputs=inputs, progress=step
            )
    if as_json:
        say_json(report.as_dict())
    else:
        say(str(report))
    raise typer.Exit(0 if report.ok else 1)


@app.command()
def certify(
    program: Wanted,
    settings: Settings = None,
    length: Annotated[int | None, typer.Option(metavar="N", min=1, help="The longest sequence; default 64.")] = None,
    alphabet: AlphabetOption = None,
    dtype: DtypeOption = None,
    code: Code = None,
    heads: Heads = None,
    precision: Annotated[bool, typer.Option("--precision", help="Also say which arithmetics would do, and the bits of each head.")] = False,
    script: Annotated[Path | None, typer.Option("--proof", metavar="FILE", help="Write the proof script, which `verify` checks.")] = None,
    as_json: AsJson = False,
) -> None:
    """Prove the transformer right for every input, from its tensors; exit code 1 where no proof is found."""
    from ..certificate.certify import certify as certify_model
    from ..certificate.precision import precision as precision_of
    from ..certificate.proofs import write_proof
    from ..certificate.refused import Refused
    from ..export.read import certify_export
    from .display import say, say_json

    source = find(program, settings or ())
    exported = source if isinstance(source, Path) and _exported(source) else None
    if exported and script:
        raise InputError("an export has no proof script", hint="certify the model it was made of, or the export without --proof")
    model = _model(source, length, parse_alphabet(alphabet), dtype, code, heads, default_length=64)
    try:
        proof = certify_export(exported) if exported else write_proof(model, script) if script else certify_model(model)
    except (Refused, ExactnessError) as refusal:
        if as_json:
            kind = {"kind": refusal.kind} if isinstance(refusal, Refused) else {}
            say_json({"certified": False, "program": model.name, **kind, "reason": refusal.fact})
        else:
            say(f"not certified: {model.name} in {model.dtype}\n  {refusal}")
        raise typer.Exit(1) from None
    needed = precision_of(model) if precision else None
    if as_json:
        say_json({**proof.as_dict(), **({"precision": needed.as_dict()} if needed else {})})
    else:
        say(str(proof) + (f"\n{needed}" if needed else ""))


@app.command()
def verify(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A checkpoint that `compile` wrote.")],
    script: Annotated[
        Path | None, typer.Option("--proof", metavar="FILE", help="The script that `certify --proof` wrote; default DIR/proof.json.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a checkpoint's proof script by the kernel alone; exit code 1 where a step does not hold."""
    from ..certificate.refused import Refused
    from ..certificate.verdict import verify as verify_proof
    from .display import say, say_json

    try:
        verdict = verify_proof(directory, script)
    except Refused as refusal:
        if as_json:
            say_json({"verified": False, "reason": refusal.fact})
        else:
            say(refusal.fact)
        raise typer.Exit(1) from None
    if as_json:
        say_json(verdict.as_dict())
    else:
        say(str(verdict))


@app.command()
def show(
    program: Wanted,
    settings: Settings = None,
    stage: Annotated[Stage | None, typer.Option(help="One stage of the compilation; default: an explanation of the whole.")] = None,
    length: Annotated[int | None, typer.Option(metavar="N", min=1, help="The longest sequence; default 16.")] = None,
    alphabet: AlphabetOption = None,
    dtype: DtypeOption = None,
    code: Code = None,
    heads: Heads = None,
    as_json: AsJson = False,
) -> None:
    """Print a program, or any stage of its compilation, as text."""
    from .display import say, say_json

    source = find(program, settings or ())
    if stage == "program":
        if isinstance(source, Path):
            raise InputError(f"the checkpoint {program} does not keep the program's source", hint="--stage graph is what it keeps")
        name, text = source.program.name, source.text()
    else:
        model = _model(source, length, parse_alphabet(alphabet), dtype, code, heads, default_length=16)
        name, text = model.name, model.stage(stage) if stage else model.explain()
    if as_json:
        say_json({"name": name, "stage": stage or "explanation", "text": text})
    else:
        say(text)


@app.command()
def bounds(
    program: Wanted,
    settings: Settings = None,
    length: Annotated[
        str | None, typer.Option(metavar="N", help="The longest sequence; default 256. With --over: 256,1024 or 256..65536, doubling.")
    ] = None,
    alphabet: AlphabetOption = None,
    dtype: DtypeOption = None,
    code: Code = None,
    heads: Heads = None,
    family: Annotated[str | None, typer.Option(metavar="NAME", help="What your own program computes, for example khop.")] = None,
    given: Annotated[list[str] | None, typer.Option("--with", metavar="NAME=VALUE", help="A parameter of --family; repeatable.")] = None,
    form: Annotated[str | None, typer.Option(metavar="FORM", help="How k-hop is written: previous or position.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also the rows about other families.")] = False,
    over: Annotated[list[str] | None, typer.Option(metavar="NAME=A..B", help="Fit the costs over a parameter's range; repeatable.")] = None,
    shape: Annotated[str | None, typer.Option("--one-layer", metavar="h=1,m=8,p=24", help="Judge one layer of this shape instead.")] = None,
    search: Annotated[
        bool, typer.Option("--search", help="With --one-layer, induction, N <= 8: decide it by z3, and find the heads needed.")
    ] = False,
    seconds: Annotated[float, typer.Option(metavar="S", min=0.1, help="How long z3 may think about one number of heads.")] = 30.0,
    as_json: AsJson = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
) -> None:
    """Hold a program against the theory: upper and lower bounds; exit code 1 where an exact one is contradicted."""
    from .bounds import decided, one_model, one_shape, sizes_of, whole_family
    from .display import progress, say, say_json

    source = find(program, settings or ())
    verdicts = decided(program, shape, length, seconds) if search else []
    if shape is not None:
        report = one_shape(source, shape, length, alphabet, family, given or ())
    elif over:
        with progress(f"compiling {program}") as step:
            report = whole_family(source, over, length, alphabet, dtype, code, heads, step)
    else:
        model = _model(source, *sizes_of(source, length, alphabet), dtype, code, heads)
        report = one_model(model, source, family, form, given or (), every)
    if as_json:
        say_json({**report.as_dict(), **({"search": [v.as_dict() for v in verdicts]} if verdicts else {})})
    else:
        say(report.markdown() if as_markdown else str(report))
        if verdicts:
            from ..theory.search import text

            say(f"\n{text(verdicts)}")
    raise typer.Exit(0 if report.ok else 1)


@app.command()
def frontier(
    program: Wanted,
    settings: Settings = None,
    length: Annotated[int, typer.Option(metavar="N", min=1, help="The longest sequence.")] = 256,
    alphabet: AlphabetOption = None,
    heads: Heads = None,
    picture: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Also draw it, as .png or .svg.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compile a program in every code and dtype, certify each, and say which of them nothing else beats."""
    from ..theory.frontier import frontier as frontier_of
    from .display import progress, say, say_json

    source = find(program, settings or ())
    if isinstance(source, Path):
        raise InputError(f"{program} is compiled already", hint="frontier takes a library program or path/to/file.py:name")
    symbols = parse_alphabet(alphabet)
    with progress(f"compiling {source.program.name}") as step, blame(source.file):
        found = frontier_of(source.program, length=length, alphabet=symbols, heads=heads, progress=step)
    if as_json:
        say_json(found.as_dict())
    else:
        say(str(found))
    if picture is not None:
        found.plot(picture)  # last, so that what was found is there where it cannot be drawn
        typer.echo(f"drawn in {picture}", err=as_json)


@app.command()
def demo(
    count: Annotated[int, typer.Option("--words", metavar="N", min=100, help="How many words of the text to read.")] = 3000,
) -> None:
    """Compile induction and khop, run them on a real text, and check every answer."""
    from .demo import run_demo

    raise typer.Exit(0 if run_demo(count) else 1)


def _model(
    source: Source | Path,
    length: int | None,
    alphabet: int | list[Symbol] | None,
    dtype: str | None,
    code: str | None,
    heads: int | None,
    default_length: int = 1,
) -> Model:
    """The program compiled, or the checkpoint loaded. Raises InputError for options a checkpoint has settled."""
    from .display import status

    if isinstance(source, Source):
        with status(f"compiling {source.program.name}"):
            return source.compile(length or default_length, alphabet, dtype or "float32", code or "auto", heads)
    from ..export.read import read_export
    from ..runtime.files import load

    options = {"length": length, "alphabet": alphabet, "dtype": dtype, "code": code, "heads": heads}
    for name in [name for name, value in options.items() if value is not None]:
        raise InputError(f"--{name} does not apply to the checkpoint {source}", hint="it was settled when the program was compiled")
    return read_export(source) if _exported(source) else load(source)


def _model_for(
    source: Source | Path,
    given: Given,
    more: int,
    length: int | None,
    alphabet: str | None,
    dtype: str | None,
    code: str | None,
    heads: int | None,
) -> Model:
    """The model for tokens that were given: of a length that holds them and some more, over their own symbols where it takes any."""
    symbols = parse_alphabet(alphabet)
    if isinstance(source, Source):
        length = length or max(1, *(len(row) + more for row in given.rows))
        if symbols is None and source.takes_any_alphabet:
            symbols = given.own_alphabet()
    return _model(source, length, symbols, dtype, code, heads)


def _exported(directory: Path) -> bool:
    from ..runtime.files import EXPORT

    return (directory / EXPORT).is_file()


def _default(parameter: tuple[str, object]) -> str:
    name, value = parameter
    return f"{name}=({len(value)} items)" if isinstance(value, tuple) else f"{name}={value}"


def _headline(model: Model) -> str:
    return f"{model.name}: length {model.length:,}, alphabet {len(model.alphabet.symbols):,}, {model.dtype}"


def run() -> None:
    """The whole command, from its arguments to its exit code."""
    with ending():
        _run()


def _run() -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue]
    app(prog_name="headwork")
