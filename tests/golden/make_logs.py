"""Write logs.json: what Keras 3 answers to every row of tests/compile_cases.py.

cd tests
KERAS_BACKEND=jax python -m golden.make_logs
"""

import json
import pathlib

import compile_cases
import keras


def main():
    found = {case.name: compile_cases.answers(keras, case) for case in compile_cases.CASES}
    path = pathlib.Path(__file__).parent / "logs.json"
    path.write_text(json.dumps(found, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
