"""A program of your own: write it, see what it means, compile it, check it, save it, load it.

It answers, for every word of a text, which word came after it the first time it was said.
"""

import tempfile
from pathlib import Path

import headwork as hw


@hw.program
def first_time(token):
    """What followed the earliest occurrence of this word; ⊥ where this is the earliest."""
    followed = hw.match(query=token, key=hw.previous(token)).earliest()
    return followed.fetch(token)


TEXT = "the cat saw the dog and the dog saw a cat".split()


def main() -> None:
    # What the program means, by the plain interpreter. No weights are involved.
    print("interpreted", hw.interpret(first_time, TEXT))

    # The same as a transformer: give the longest sequence and the words.
    model = hw.compile(first_time, length=64, alphabet=sorted(set(TEXT)))
    print("transformer", model.run(TEXT))
    print(model.cost)

    # Every value inside the transformer against the interpreter, on hard cases and random ones.
    report = hw.check(model, samples=50)
    print(report)
    assert report.ok

    # A checkpoint needs neither the program's source nor pickle.
    with tempfile.TemporaryDirectory() as directory:
        model.save(Path(directory) / "first-time")
        loaded = hw.load(Path(directory) / "first-time")
    assert loaded.run(TEXT) == hw.interpret(first_time, TEXT)
    print("loaded and equal")


if __name__ == "__main__":
    main()
