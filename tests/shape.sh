#!/usr/bin/env bash
# Holds the shape of the source: imports go one way (edge/src/lib.rs has the picture), files stay short and say what they
# are, no names that say nothing, nothing left over. Prints what breaks a rule and fails if anything does.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A file, because the end of a pipe cannot set a variable of ours.
report=$(mktemp)
trap 'rm -f "$report"' EXIT
# rule TEXT: what is on standard input breaks it.
rule() {
    local found
    found=$(cat)
    [ -z "$found" ] || printf '%s\n%s\n' "$1" "$found" >>"$report"
}
sources() { git ls-files --cached --others --exclude-standard -- "$@" | grep '\.rs$' | while read -r f; do [ -f "$f" ] && echo "$f"; done; }
# uses PATTERN PATHS...: code lines (no comments) that name it.
uses() {
    local pattern=$1
    shift
    { sources "$@" | xargs -r grep -nE "$pattern" /dev/null || true; } | grep -vE '^[^:]+:[0-9]+: *//' || true
}

uses '\bedge::' control/src | rule 'control does not know edge:'
uses '\betcd_client\b' control/src edge/src | { grep -vE '^control/src/store/etcd(/|\.rs)' || true; } |
    rule 'only control/src/store/etcd names etcd_client:'
uses 'crate::(processor|node|cli)\b' edge/src/router | rule 'router meets the processor at hop only:'
uses 'crate::(router|node|cli)\b' edge/src/processor | rule 'processor meets the router at hop only:'
uses 'crate::(router|node|cli)\b' edge/src/hop | rule 'hop is below the router:'
uses 'crate::(router|processor|hop|node|cli)\b' edge/src/tls edge/src/http1 | rule 'tls and http1 are below the roles:'
uses 'crate::(router|processor|hop|http1|node|cli|access_log|status)\b' edge/src/probe |
    rule 'probe is above tls and alert, and below the roles:'
uses 'crate::probe\b' edge/src/tls edge/src/http1 edge/src/alert edge/src/handshake edge/src/router edge/src/hop |
    rule 'probe is for the processor, node and cli:'
uses 'crate::(router|processor|hop|tls|http1|probe|node|cli|access_log|status|drain)\b' edge/src/capture |
    rule 'capture is above handshake and alert only:'
uses 'crate::capture\b' edge/src | { grep -vE '^edge/src/(capture|cli)/' || true; } | rule 'capture is for cli:'
uses 'crate::(router|processor|hop|tls|http1|probe|node|cli|access_log|status|drain)\b' edge/src/alert |
    rule 'alert imports leaves only:'
uses 'crate::(router|processor|hop|tls|http1|node|cli|access_log|status)\b' \
    edge/src/fault.rs edge/src/limits.rs edge/src/drain.rs edge/src/deadline.rs edge/src/body.rs edge/src/metrics |
    rule 'these are leaves:'

sources control/src edge/src | while read -r file; do
    lines=$(awk '/^#\[cfg\(test\)\]/ { exit } { n++ } END { print n + 0 }' "$file")
    case "$file" in *tests.rs | */tests/*) continue ;; esac
    [ "$lines" -le 400 ] || echo "  $file: $lines"
done | rule 'over 400 lines before the tests; split by stage:'
sources . | while read -r file; do head -n 1 "$file" | grep -q '^//!' || echo "  $file"; done |
    rule 'does not open with //! (what it owns, its place in the line):'
sources . | { grep -E '(^|/)(utils?|common|helpers?|misc|manager)(\.rs|/)' || true; } | rule 'a name that says nothing:'
uses '\b(TO''DO|FIX''ME)\b|\btodo!\(|\bunimplemented!\(' control edge tests benches | rule 'left over:'
uses '\bunsafe (\{|fn|impl)' control edge tests benches | rule 'unsafe:'

cat "$report"
[ ! -s "$report" ]
