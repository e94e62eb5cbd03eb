#!/usr/bin/env bash
# The recipe of the whole result, readable from top to bottom:
# set up -> train for the embedded suite -> score -> render the tables -> evidence and report ->
# compare with references.
# Everything that is on disk is taken from there, so a second run ends in two minutes.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
    cat <<'TEXT'
usage: ./run_all.sh [--quick | --all] [--data-root DIR] [--out DIR]
       ./run_all.sh test [PYTEST ARGUMENTS]

Makes .venv, installs, regenerates the tables in tables/out and writes report/index.html.
  (nothing)         the embedded suite `mini`, from nothing: train, score, tables, report
  --quick           a smoke run of it, under two minutes once installed; writes to runs/quick only
  --all             also every other detector that needs no download, one seed each: about an hour
                    more; makes the table mini-all
  --data-root DIR   also every official suite found in DIR (or set LFM_DATA); absent ones are named
  --out DIR         predictions, results, trained weights (default: runs)
  test              runs the tests, in as many processes as there are cores, 4 at most (-n 0: in one)

Environment:
  LFM_DATA      folder of the official test sets
  LFM_WEIGHTS   folder of published checkpoints (default: weights)
  PYTHON        the Python (3.10 or newer) that makes .venv (default: python3)
  PIP_...       pip's own settings (PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_CONSTRAINT, ...). Without
                an index of yours, a Linux machine that has no NVIDIA GPU takes torch from the
                PyTorch project's CPU index, which saves several gigabytes.

Exit code: 0 all done; 1 a cell failed or differs from a reference that it should equal;
2 wrong usage; 3 data or weights absent; 6 the disk is full; 130 interrupted (run it again to go on).
TEXT
}

say() { printf '\n== %s\n' "$*" >&2; }

# ---------------------------------------------------------------------------------- set up

pip_index() { # the CPU index of the PyTorch project, where it spares a CUDA stack nobody can use
    local settings
    settings=$(.venv/bin/pip config list)
    case $settings in *index-url* | *find-links*) return ;; esac
    if [ "$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null; then
        echo "--extra-index-url https://download.pytorch.org/whl/cpu"
    fi
}

set_up() { # set_up [EXTRA]: installs once for each state of pyproject.toml and constraints.txt
    local extra=${1:-} python=${PYTHON:-python3}
    local stamp=.venv/.installed${extra:+-$extra}
    if [ ! -x .venv/bin/python ]; then
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
            echo "error: $("$python" --version 2>&1) is too old: Python 3.10 or newer is needed" >&2
            echo "  next: PYTHON=/path/to/python3.10 ./run_all.sh" >&2
            exit 2
        }
        say "making .venv with $("$python" --version)"
        "$python" -m venv .venv
    fi
    if ! cat pyproject.toml constraints.txt | cmp -s - "$stamp"; then
        say "installing${extra:+ (with extra $extra)}"
        local constraints=(-c constraints.txt)
        [ -z "${PIP_CONSTRAINT:-}" ] || constraints=() # the user's own constraints win
        # shellcheck disable=SC2046
        .venv/bin/pip install $(pip_index) "${constraints[@]}" -e ".${extra:+[$extra]}"
        # Gradio, in dev, asks for Pillow below 13, which resizes some pictures otherwise. It gets no
        # picture here, so the Pillow of the numbers is put back; pip says that Gradio minds.
        [ "$extra" != dev ] || .venv/bin/pip install --no-deps 'pillow>=13; python_version >= "3.11"' ||
            say "no Pillow 13: see docs/reproducing.md#pillow"
        cat pyproject.toml constraints.txt >"$stamp"
    fi
}

harness() { .venv/bin/python -m harness "$@"; }

made() { # made FILE: it is there, and no code, training or checkpoint is newer
    [ -s "$1" ] && [ -z "$(find harness lfm baselines "$out/training" "${LFM_WEIGHTS:-weights}" -newer "$1" \
        \( -name '*.py' -o -name run.json -o -name '*.pth' \) -print -quit 2>/dev/null)" ]
}

failed=0
step() { # step COMMAND...: a failed cell (exit code 1) is remembered, anything worse stops the recipe
    local code=0
    "$@" || code=$?
    [ $code -le 1 ] || exit $code
    [ $code -eq 0 ] || failed=1
}

# ---------------------------------------------------------------------------------- arguments

if [ "${1:-}" = test ]; then
    shift
    set_up dev
    # A file's tests share what they have made, so a file stays whole. Each process takes a gigabyte.
    exec .venv/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile "$@"
fi

out=runs quick='' all=''
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage && exit 0 ;;
    --quick) quick=yes ;;
    --all) all=yes ;;
    --data-root) export LFM_DATA=${2:?--data-root needs a folder} && shift ;;
    --out) out=${2:?--out needs a folder} && shift ;;
    *)
        echo "error: unknown argument $1" >&2
        usage >&2
        exit 2
        ;;
    esac
    shift
done

set_up clip,explain

# ---------------------------------------------------------------------------------- the recipe

networks=lfm,npr,gap,gap-rgb
fits=frank,durall,trivial,metadata # fitted in one go, nothing drawn: one seed is all there is
if [ -n "$quick" ]; then
    say "smoke run: one short training, four images a class and set"
    out=runs/quick
    step harness train --method lfm,trivial --train-suite mini-train --seeds 0 --epochs 1 --out $out
    step harness run --method lfm,trivial,chance --suite mini --limit 4 \
        --weights $out/training/mini-train --out $out
    step harness tables --out $out --to $out/tables
    exit $failed
fi

say "training on the embedded suite: three seeds of each network"
step harness train --method $networks --train-suite mini-train --seeds 0,1,2 --out "$out"
step harness train --method $fits --train-suite mini-train --seeds 0 --out "$out"

if [ -n "$all" ]; then
    say "training every other detector on the embedded suite, one seed each"
    step harness train --method all --train-suite mini-train --seeds 0 --out "$out"
fi

say "scoring the embedded suite"
step harness run --method $networks,$fits,chance --suite mini \
    --weights "$out/training/mini-train" --out "$out"
if [ -n "$all" ]; then
    step harness run --method all --suite mini --weights "$out/training/mini-train" --out "$out"
fi

say "the published LFM checkpoint"
published=
if harness weights --fetch lfm:released; then
    published=lfm:released
    step harness run --method $published --suite mini --out "$out"
else
    echo "without it there is no row lfm:released" >&2
fi

if [ -n "${LFM_DATA:-}" ]; then
    say "official suites found in $LFM_DATA: every detector whose weights are here"
    step harness run --method all --suite paper --skip-absent --out "$out"
    step harness run --method $networks,$fits --suite paper --skip-absent \
        --weights "$out/training/mini-train" --out "$out"
fi

say "cost, tables, figure"
if ! made "$out/cost.json"; then
    harness cost --method all --repeats 0 --json >"$out/cost.json.part"
    mv "$out/cost.json.part" "$out/cost.json"
fi
step harness tables --out "$out" --to tables/out --skip mini-all
[ -z "$all" ] || step harness tables --out "$out" --to tables/out --table mini-all
step harness figures --out "$out" --to docs

say "evidence: files, one path for both classes, perturbations, where detectors look"
seeds=$out/training/mini-train
looked=lfm:$seeds/lfm/seed0,npr:$seeds/npr/seed0,gap:$seeds/gap/seed0
[ -z "$published" ] || looked=$published,$looked
made "$out/audit/audit-mini.json" || step harness audit --suite mini --against mini-train --out "$out"
step harness run --method $looked --suite mini --twin jpeg96,resize --out "$out"
step harness robustness --method $looked --suite mini --limit 20 --out "$out"
made "$out/explain/index.json" ||
    step harness explain --method $looked --suite mini --limit 8 --panels 8 --out "$out"
made "$out/tsne/tsne-mini.json" || step harness tsne --method $looked --suite mini --out "$out"
step harness report --out "$out" --to report

say "differences to the paper, and to what every machine must get on the embedded suite"
step harness diff --out "$out" --fail-over 0.5
step harness diff --out "$out" --against tables/expected --fail-over 0.5
exit $failed
