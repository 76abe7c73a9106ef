"""The benchmarks: where their data comes from, how answers are graded, what was published.

Owns the table. Item counts and checksums are those of the files in the evaluation folder of the public APPO repository
(AMAP-ML/APPO, commit b04e7e9), which are samples of the originals for the question-answering sets; data with other
items is used all the same, and reports say so. Its file of MATH is too large to be had from the repository: the count
is that of the original. Which commit of a data set is meant is decided when it is fetched (see `fetch.py`).
"""

from __future__ import annotations

from appo_benchmarks.benchmark import Benchmark, Published
from appo_benchmarks.errors import BenchmarkError
from appo_benchmarks.graders import gaia_match, short_match
from appo_envs.errors import did_you_mean
from appo_envs.grading import f1, math_equal

PAPER = "arXiv 2606.12384"
SIMPLE_EVALS = "README of openai/simple-evals, commit ee3b031; without tools, on all 4326 questions"


def _appo(value: float) -> tuple[Published, ...]:
    return (Published("APPO, Qwen2.5-7B", value, PAPER),)


_LISTED = (
    Benchmark(
        name="aime24",
        title="AIME 2024",
        hub="HuggingFaceH4/aime_2024",
        split="train",
        licence="problems of the Mathematical Association of America",
        folders=("aime24",),
        items=30,
        ids_sha256="b2dcc175370deb9c9b011e91ca48f211ffc3e67f7de5280b88bc9de630e3db3e",
        tools=("python",),
        grader=math_equal,
        metric="accuracy",
        published=_appo(36.7),
    ),
    Benchmark(
        name="aime25",
        title="AIME 2025",
        hub="math-ai/aime25",
        split="test",
        licence="problems of the Mathematical Association of America",
        folders=("aime25",),
        items=30,
        ids_sha256="4d9dd7667ea73a617ae106c28fb9b1de1eba76f81108c4099aab51c684d929b7",
        tools=("python",),
        grader=math_equal,
        metric="accuracy",
        published=_appo(30.0),
    ),
    Benchmark(
        name="math500",
        title="MATH-500",
        hub="HuggingFaceH4/MATH-500",
        split="test",
        licence="MIT, as MATH",
        folders=("math500",),
        items=500,
        ids_sha256="64e2520883152858aea3f34c06eb31fc854aec93a6f5407948e324f663d381db",
        tools=("python",),
        grader=math_equal,
        metric="accuracy",
        published=_appo(81.0),
    ),
    Benchmark(
        name="gsm8k",
        title="GSM8K",
        hub="openai/gsm8k",
        split="test",
        licence="MIT",
        folders=("gsm8k",),
        items=1319,
        ids_sha256="e7276ec00cf379d2292b97441d375697b420030a3b8b3c40d9eca7b71436b417",
        tools=("python",),
        grader=math_equal,
        metric="accuracy",
        published=_appo(93.2),
    ),
    Benchmark(
        name="math",
        title="MATH",
        hub="DigitalLearningGmbH/MATH-lighteval",
        split="test",
        licence="MIT",
        folders=("math",),
        items=5000,
        ids_sha256="",
        tools=("python",),
        grader=math_equal,
        metric="accuracy",
        published=_appo(90.0),
    ),
    Benchmark(
        name="webwalkerqa",
        title="WebWalkerQA",
        hub="callanwu/WebWalkerQA",
        split="main",
        licence="Apache-2.0",
        folders=("webwalkerqa", "webwalker"),
        items=680,
        ids_sha256="e0e1911ea5d4f4bf0efb7c7814d2361e38bb55b1630ddd414677b8b228269c2e",
        tools=("search", "python"),
        grader=short_match,
        metric="judge",
        deep=True,
        published=(
            *_appo(33.5),
            Published("APPO, Qwen3-8B", 33.8, PAPER),
            Published("APPO, Qwen3-14B", 43.4, PAPER),
        ),
    ),
    Benchmark(
        name="hotpotqa",
        title="HotpotQA",
        hub="hotpotqa/hotpot_qa",
        split="validation",
        licence="CC BY-SA 4.0",
        folders=("hotpotqa",),
        items=200,
        ids_sha256="e1c6a8f8cb576a908e91b9098876a2855140e99e8cb13620ef52294e57278faa",
        tools=("search",),
        grader=f1,
        metric="f1",
        published=_appo(66.5),
    ),
    Benchmark(
        name="2wikimultihopqa",
        title="2WikiMultihopQA",
        hub="xanhho/2WikiMultihopQA",
        split="dev",
        licence="Apache-2.0",
        folders=("2wikimultihopqa", "2wiki"),
        items=200,
        ids_sha256="e31ef4e910a203567ceb006626ca230f818b1428d4dc692832c90736635ad025",
        tools=("search",),
        grader=f1,
        metric="f1",
        published=_appo(81.5),
    ),
    Benchmark(
        name="musique",
        title="MuSiQue",
        hub="dgslibisey/MuSiQue",
        split="validation",
        licence="CC BY 4.0",
        folders=("musique",),
        items=200,
        ids_sha256="f0940f58ffb020e1f09ccaa4e4d995722777d1cf28c650c041d22a268a1e02d2",
        tools=("search",),
        grader=f1,
        metric="f1",
        published=_appo(31.5),
    ),
    Benchmark(
        name="bamboogle",
        title="Bamboogle",
        hub="chiayewken/bamboogle",
        split="test",
        licence="MIT",
        folders=("bamboogle",),
        items=125,
        ids_sha256="acb8f03d59041da21f9f5066a915e536318b298e62d5340eb6416721cbb92e83",
        tools=("search",),
        grader=f1,
        metric="f1",
        published=_appo(77.6),
    ),
    Benchmark(
        name="gaia",
        title="GAIA (text only)",
        hub="gaia-benchmark/GAIA",
        split="validation",
        licence="none stated",
        folders=("gaia",),
        items=103,
        ids_sha256="a0d54960e618fd0548899f69f41a0864d74d7af3393a580fff9f185046f2d011",
        tools=("search", "python"),
        grader=gaia_match,
        metric="judge",
        deep=True,
        published=(
            Published("GRPO, Qwen3-8B", 32.0, PAPER),
            Published("ARPO, Qwen3-8B", 38.8, PAPER),
            Published("APPO, Qwen3-8B", 42.7, PAPER),
            Published("ARPO, Qwen3-14B", 43.7, PAPER),
            Published("APPO, Qwen3-14B", 46.6, PAPER),
        ),
        access="log in to the hub and accept the conditions of gaia-benchmark/GAIA",
        canary="its authors ask not to reshare questions or answers where crawlers can read them",
    ),
    Benchmark(
        name="hle",
        title="Humanity's Last Exam (text only)",
        hub="cais/hle",
        split="test",
        licence="MIT",
        folders=("hle",),
        items=500,
        ids_sha256="452c78068941df1364f22b1f512cd0ce5619d587436864ee10e4e958a1c66b41",
        tools=("search", "python"),
        grader=short_match,
        metric="judge",
        deep=True,
        published=(Published("APPO, Qwen3-8B", 13.4, PAPER), Published("APPO, Qwen3-14B", 12.3, PAPER)),
        access="log in to the hub and accept the conditions of cais/hle",
        canary="each row has a canary: keep it with the row, and keep rows out of training corpora",
    ),
    Benchmark(
        name="xbench_deepsearch",
        title="xbench-DeepSearch",
        hub="xbench/DeepSearch",
        split="train",
        licence="MIT",
        folders=("xbench_deepsearch", "xbench"),
        items=100,
        ids_sha256="049f2de8b32b9597fbe1fe458244dc72c88f944298c38ba2a71bad72983dc11f",
        tools=("search", "python"),
        grader=short_match,
        metric="judge",
        deep=True,
        published=(Published("APPO, Qwen3-8B", 28.0, PAPER), Published("APPO, Qwen3-14B", 34.0, PAPER)),
        access="the original is encrypted: decrypt it with the code of its authors",
        canary="each row has a canary; its authors ask not to publish decrypted rows",
    ),
    Benchmark(
        name="simpleqa",
        title="SimpleQA",
        hub="basicv8vc/SimpleQA",
        split="test",
        licence="MIT",
        folders=("simpleqa", "SimpleQA"),
        items=500,
        ids_sha256="8d328bc5dbb900f84d97beb3572d6d06ee94e615ce608eda7cbe302ccd1baeff",
        tools=("search",),
        grader=short_match,
        metric="judge",
        published=(
            Published("gpt-4o-mini-2024-07-18", 9.5, SIMPLE_EVALS),
            Published("gpt-4o-2024-11-20", 38.8, SIMPLE_EVALS),
            Published("o3", 49.4, SIMPLE_EVALS),
        ),
    ),
)

BENCHMARKS: dict[str, Benchmark] = {benchmark.name: benchmark for benchmark in _LISTED}


def benchmark_of(name: str) -> Benchmark:
    """The benchmark of a name.

    Raises:
        BenchmarkError: there is none; the message names the nearest.
    """
    if name not in BENCHMARKS:
        raise BenchmarkError(f"there is no benchmark {name!r}; {did_you_mean(name, BENCHMARKS)}")
    return BENCHMARKS[name]
