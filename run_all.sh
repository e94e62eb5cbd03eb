#!/usr/bin/env bash
# The recipe of the whole result, readable from top to bottom.
# It goes in stages. Each stage ends with tables and a page, says how long the next one takes, and can be
# interrupted: what is on disk is taken from there.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
    cat <<'TEXT'
usage: ./run_all.sh [paper | --full | --quick] [--data-root DIR] [--out DIR]
       ./run_all.sh test [PYTEST ARGUMENTS]

Makes .venv, installs, and regenerates results. Times are for two cores, installation aside.
  (nothing)         the embedded suite `mini`: first tables and a page after 2 minutes, one seed of each
                    network after 10. Tables go to runs/tables, the page to report/index.html
  --full            what made the committed tables: three seeds, every detector that needs no download,
                    evidence; writes tables/out. Two hours
  paper             the official suites found in DIR, with the published checkpoints found; trains nothing
  --quick           a smoke run: one short training, four images a class; writes to runs/quick. 30 seconds
  --data-root DIR   folder of the official test sets (or set LFM_DATA)
  --out DIR         predictions, results, trained weights (default: runs)
  test              runs the tests but the slow ones (-m "": those too), in as many processes as there are
                    cores, 4 at most (-n 0: in one)

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

stages=() began=$SECONDS
stage() { # stage NAME HOW-LONG: begins a stage
    finish_stage
    name=$1
    say "$1${2:+ (about $2 on two cores; Ctrl-C loses nothing)}"
}

finish_stage() { # remembers how long the stage took
    [ -z "${name:-}" ] || stages+=("$(printf '| %s | %d:%02d |' "$name" $(((SECONDS - began) / 60)) $(((SECONDS - began) % 60)))")
    name='' began=$SECONDS
}

finish() { # the last words: the times, and the exit code
    finish_stage
    { printf '\n| stage | minutes:seconds |\n|---|---|\n' && printf '%s\n' "${stages[@]}"; } >&2
    exit $failed
}

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
    exec .venv/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile -m "not slow" "$@"
fi

out=runs mode=first
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage && exit 0 ;;
    paper) mode=paper ;;
    --quick | --full) mode=${1#--} ;;
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
if [ $mode = paper ] && [ -z "${LFM_DATA:-}" ]; then
    echo "error: paper needs the folder of the official test sets" >&2
    echo "  next: LFM_DATA=/data ./run_all.sh paper (docs/data.md says how the folder looks)" >&2
    exit 3
fi

stage install
case $mode in full | paper) set_up clip,explain ;; *) set_up ;; esac

command -v nvidia-smi >/dev/null || say "There is no NVIDIA GPU here: everything runs on the CPU."

# ---------------------------------------------------------------------------------- the recipe

networks=lfm,npr,gap,gap-rgb
fits=frank,durall,trivial,metadata # fitted in one go, nothing drawn: one seed is all there is
controls=chance
trained=$out/training/mini-train

published() { # the checkpoint of the paper's authors, where it is here or can be fetched
    if harness weights --fetch lfm:released; then
        published=lfm:released
    else
        published=
        say "The published LFM checkpoint is not here and cannot be fetched, so there is no row for it." \
            "LFM_WEIGHTS names a folder that has it."
    fi
}

show() { # show [FLAG...]: tables and the page, of all that is on disk
    step harness tables --out "$out" --skip mini-all >/dev/null # the names of all files
    step harness report --out "$out" --to report "$@" >/dev/null
    say "tables: $out/tables   page: report/index.html"
}

count_cost() { # count_cost METHODS: operations and parameters, once for each state of the code
    made "$out/cost-$1.txt" && return
    mkdir -p "$out"
    harness cost --method "$1" --repeats 0 --json >"$out/cost.json.part"
    mv "$out/cost.json.part" "$out/cost.json"
    rm -f "$out"/cost-*.txt # cost.json is of one set of detectors: which, says the file beside it
    echo "counted: $1" >"$out/cost-$1.txt"
}

case $mode in
quick)
    stage "smoke run" "30 seconds"
    out=runs/quick
    step harness train --method lfm,trivial --train-suite mini-train --seeds 0 --epochs 1 --out $out
    step harness run --method lfm,trivial,chance --suite mini --limit 4 \
        --weights $out/training/mini-train --out $out
    step harness tables --out $out --to $out/tables
    finish
    ;;
paper)
    stage "published checkpoints on the official suites found in $LFM_DATA" ""
    published
    step harness run --method all --suite paper --skip-absent --out "$out"
    show --data-root "$LFM_DATA"
    step harness diff --out "$out" --fail-over 0.5
    finish
    ;;
esac

stage "first tables: published LFM, fitted detectors, controls" "2 minutes"
published
step harness train --method $fits --train-suite mini-train --seeds 0 --out "$out"
step harness run --method "$fits,$controls${published:+,$published}" --suite mini \
    --weights "$trained" --out "$out"
[ $mode = full ] || count_cost "$networks,$fits" # --full counts all, at its end
show

[ -z "${LFM_DATA:-}" ] || [ $mode = full ] || say "LFM_DATA is set: ./run_all.sh paper scores the official suites."
seeds=0
[ $mode = first ] || seeds=0,1,2
stage "each network from seed $seeds" "$([ $mode = first ] && echo 8 || echo 24) minutes"
step harness train --method $networks --train-suite mini-train --seeds $seeds --out "$out"
step harness run --method $networks --suite mini --weights "$trained" --out "$out"
show

if [ $mode = full ]; then
    stage "every other detector that needs no download, one seed" "an hour"
    step harness train --method all --train-suite mini-train --seeds 0 --out "$out"
    step harness run --method all --suite mini --weights "$trained" --out "$out"

    if [ -n "${LFM_DATA:-}" ]; then
        stage "official suites found in $LFM_DATA" ""
        step harness run --method all --suite paper --skip-absent --out "$out"
        step harness run --method $networks,$fits --suite paper --skip-absent --weights "$trained" --out "$out"
    fi

    stage "evidence: files, one path for both classes, perturbations, where detectors look" "12 minutes"
    looked=lfm:$trained/lfm/seed0,npr:$trained/npr/seed0,gap:$trained/gap/seed0
    [ -z "$published" ] || looked=$published,$looked
    made "$out/audit/audit-mini.json" ||
        step harness check --audit --suite mini --train-suite mini-train --out "$out"
    step harness run --method "$looked" --suite mini --twin jpeg96,resize --out "$out"
    step harness robustness --method "$looked" --suite mini --limit 20 --out "$out"
    made "$out/explain/index.json" ||
        step harness explain --method "$looked" --suite mini --limit 8 --panels 8 --out "$out"
    made "$out/tsne/tsne-mini.json" || step harness tsne --method "$looked" --suite mini --out "$out"

    stage "cost, the committed tables, the page" "4 minutes"
    count_cost all
    step harness tables --out "$out" --to tables/out
    step harness figures --out "$out" --to docs
    show --all-pages
fi

stage "differences to the committed tables" ""
say "what every machine must get: the published checkpoint and chance"
exact=chance${published:+,$published} # equal on every machine, within float rounding
step harness diff --out "$out" --against tables/expected --method "$exact" --fail-over 0.5 --brief
# Training rounds differently on another processor: how near the trained rows come is told, not judged.
rows=
for detector in ${networks//,/ } ${fits//,/ }; do
    for seed in ${seeds//,/ }; do
        [ ! -e "$trained/$detector/seed$seed" ] || rows+=${rows:+,}$detector:mini-train/seed$seed
    done
done
say "the rows trained here, against those of the committed tables"
[ -z "$rows" ] || step harness diff --out "$out" --against tables/trained --method "$rows" --brief
finish
