#!/usr/bin/env bash
# Prints the public headers, one a line: every header that descent.h or optim/testing/conformance.h
# includes, directly or through other public headers. Headers of core/kernels/ are never public.
#   public_headers.sh SOURCE
set -euo pipefail
cd "$1"
declare -A seen=()
queue=(descent.h optim/testing/conformance.h)
while [ ${#queue[@]} -gt 0 ]; do
  header=${queue[0]}
  queue=("${queue[@]:1}")
  [ -z "${seen[$header]:-}" ] || continue
  seen[$header]=1
  echo "$header"
  while read -r include; do
    queue+=("$include")
  done < <(sed -nE 's|^[[:space:]]*#[[:space:]]*include[[:space:]]*<descent/([^>]+)>.*|\1|p' "$header" | grep -v -e '^core/kernels/' -e '\.inc$')
done
