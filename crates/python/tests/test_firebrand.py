"""Tests the installed package against the command-line program: `test_firebrand.py BUNDLE PROGRAM`."""

import json
import subprocess
import sys

import firebrand


def main() -> None:
    bundle, program = sys.argv[1:]
    texts = ["a lovely, warm film", "a dull plot and worse acting", "", "naïve café 😀", "word " * 1000]
    for precision in ("int8", "fp32"):
        classifier = firebrand.Classifier(bundle, precision=precision, threads=2)
        answers = classifier.predict(texts)
        command = [program, "predict", bundle, "--json", "--precision", precision, "--", *texts]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        lines = [json.loads(line) for line in printed.splitlines()]
        assert len(answers) == len(lines) == len(texts)
        for answer, line in zip(answers, lines):
            assert answer["label"] == line["label"]
            assert abs(answer["score"] - line["score"]) < 1e-6
            assert abs(sum(answer["scores"].values()) - 1) < 1e-5
            assert answer["empty"] == line.get("empty", False)
            assert answer["truncated_tokens"] == line.get("truncated_tokens", 0)
        assert answers[2]["empty"] and answers[4]["truncated_tokens"] > 0
        assert classifier.predict([]) == []
        assert classifier.precision == precision and answers[0]["label"] in classifier.labels
        print(precision, repr(classifier), answers[0])

    for call in (
        lambda: firebrand.Classifier("/no/such/bundle"),
        lambda: firebrand.Classifier(bundle, precision="int3"),
        lambda: firebrand.Classifier(bundle, threads=0),
        lambda: classifier.predict(["a"], pairs=["b"]),
        lambda: classifier.predict(["a", "b"], pairs=["c"]),
    ):
        try:
            call()
        except ValueError as error:
            print("refused:", str(error).splitlines()[0])
        else:
            raise AssertionError("expected a ValueError")


main()
