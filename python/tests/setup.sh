#!/usr/bin/env bash
# Makes an environment in which all tests of python/ run, and runs them: python/tests/setup.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
environment="${1:-$PWD/.venv}"
[ -x "$environment/bin/python" ] || python3 -m venv "$environment"
"$environment/bin/python" -c "import torch" 2>/dev/null ||
    "$environment/bin/pip" install --quiet torch --index-url "${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}"
# numpy is needed by some parts of PyTorch, the others by the adapters, mypy for the types.
"$environment/bin/pip" install --quiet numpy lightning transformers accelerate mypy
"$environment/bin/python" -m unittest discover --start-directory tests
"$environment/bin/mypy" --strict src/skiplane
