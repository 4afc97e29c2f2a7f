# Steps under one deadline: a heading, the command, and a line for the summary.

summary=()
failures=0
running=

heading() { printf '\n==> %s\n' "$*"; }

stop_running() {
    [ -z "$running" ] || kill -TERM "$running" 2>/dev/null
}
trap 'stop_running; exit 130' INT
trap 'stop_running; exit 143' TERM

# step NAME COMMAND… : runs it for as long as the deadline allows; a failure is counted and the rest goes on.
step() {
    local name=$1 started=$SECONDS left=$((deadline_seconds - SECONDS)) status
    shift
    heading "$name: $*"
    if [ "$left" -le 0 ]; then
        record "$name" "NOT RUN, the time was up" 1
        return
    fi
    timeout --kill-after=15 "$left" "$@" &
    running=$!
    wait "$running"
    status=$?
    running=
    case $status in
        0) record "$name" "ok, $((SECONDS - started)) s" 0 ;;
        124 | 137) record "$name" "FAILED, stopped after $((SECONDS - started)) s" 1 ;;
        *) record "$name" "FAILED with $status, $((SECONDS - started)) s" 1 ;;
    esac
}

record() {
    summary+=("$(printf '%-10s %s' "$1" "$2")")
    failures=$((failures + $3))
}

# What cargo's test runner said at the end of each test program that had tests, what failed, and the sum.
test_lines() {
    [ -s "$1" ] || return 0
    heading "tests"
    grep -E '^test result:' "$1" | grep -v ' 0 passed; 0 failed; 0 ignored'
    grep -E '^test .* FAILED$' "$1"
    awk '/^test result:/ { passed += $4; failed += $6; ignored += $8; programs++ }
        END { printf "%d passed, %d failed, %d ignored in %d test programs\n", passed, failed, ignored, programs }' "$1"
}

finish() {
    heading "summary"
    printf '%s\n' "${summary[@]}"
    if [ "$failures" -gt 0 ]; then
        printf 'FAILED: %d of %d steps, %d s\n' "$failures" "${#summary[@]}" "$SECONDS"
        exit 1
    fi
    printf 'All %d steps passed, %d s\n' "${#summary[@]}" "$SECONDS"
}
