#!/usr/bin/env bash
# The comparison of the program descent: its protocol, its files, stopping and going on. compare.sh DESCENT
set -uo pipefail
descent=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
failures=0
wrong() { echo "$*"; failures=$((failures + 1)); }
# expect CODE TEXT ARGUMENT…: the exit code, and a text in what is printed.
expect() {
  local code=$1 text=$2 output actual
  shift 2
  output=$("$descent" compare "$@" 2>&1)
  actual=$?
  [ "$actual" -eq "$code" ] || wrong "compare $*: exit code $actual, expected $code: $(tail -n 30 <<<"$output" | cut -c 1-200)"
  grep -qF -- "$text" <<<"$output" || wrong "compare $*: lacks '$text': $(tail -n 30 <<<"$output" | cut -c 1-200)"
}
# What may differ between two runs of the same comparison: seconds, and nothing else.
same_reports() {
  without_seconds() { sed -e '/<h3>Time/,/<!-- end of time -->/d' "$1/report.html"; }
  diff <(without_seconds "$1") <(without_seconds "$2") >/dev/null || wrong "$1/report.html and $2/report.html differ"
  diff <(sed 's/,[^,]*$//' "$1/results.csv") <(sed 's/,[^,]*$//' "$2/results.csv") >/dev/null ||
    wrong "$1/results.csv and $2/results.csv differ"
}

# A table of one's own, with words and a header; 12 optimizers, all of the protocol.
awk 'BEGIN { srand(7); print "length,width,kind"
  for (i = 0; i < 150; ++i) { a = rand(); b = rand(); print a "," b "," (a * a + b > .8 ? "long" : "short") } }' >own.csv
small=(--data own.csv --epochs 3 --budget 4 --seeds 3)
"$descent" compare "${small[@]}" --threads 1 --out one >one.txt 2>one.err || wrong "exit code $?, expected 0"
"$descent" compare "${small[@]}" --threads 2 --out two >two.txt 2>/dev/null || wrong "exit code $?, expected 0"
head -n 1 two.txt
grep -qE '^On own\.csv, use [a-z()_]+ with lr [0-9.]+.*: [0-9.]+ % of the test data right \(the middle half of 3 seeds: ' two.txt ||
  wrong "no plain sentence: $(cat two.txt)"
grep -qxF "To repeat: descent compare --data own.csv --epochs 3 --budget 4 --seeds 3" two.txt || wrong "no command to repeat it"
grep -q ' left$' one.err || wrong "no time left in the progress"
same_reports one two

# 12 optimizers: 4 trials with 3 seeds each; 3 fresh seeds tuned, 3 at defaults; 4 other rates with 3 seeds each.
for phase in trial:144 tuned:36 defaults:36 sweep:144; do
  [ "$(grep -c "^\"own.csv\",${phase%:*}," two/results.csv)" -eq "${phase#*:}" ] || wrong "results.csv has not ${phase#*:} ${phase%:*}s"
done
# The test is shown of chosen settings only: columns from the end are test score, gradients, seconds.
[ "$(awk -F, '$2 == "trial" && $(NF-2) != ""' two/results.csv | wc -l)" -eq 0 ] || wrong "trials were tested"
[ "$(awk -F, '$2 == "tuned" && $(NF-2) == ""' two/results.csv | wc -l)" -eq 0 ] || wrong "chosen settings were not tested"
# SAM pays for two gradients a step.
evaluations() { awk -F, -v o="\"$1\"" '$2 == "defaults" && $3 == o {print $(NF-1); exit}' two/results.csv; }
[ "$(evaluations 'sam(adamw)')" -eq $((2 * $(evaluations adamw))) ] || wrong "SAM does not pay for its gradients"

page=two/report.html
for text in 'What the rate does' 'at defaults' 'Cost' 'Time' 'How this was done' 'searched' 'lr 0.001–3' '</svg>' '--budget 4'; do
  grep -qF -- "$text" $page || wrong "the report lacks '$text'"
done
! grep -qE 'https?://' <(sed 's#http://www.w3.org/2000/svg##g' $page) || wrong "the report needs a network"
[ "$(stat -c %s $page)" -lt 2000000 ] || wrong "the report has 2 MB or more"
if command -v python3 >/dev/null; then
  python3 - <<'P' || wrong "results.json is not as described"
import json
r = json.load(open("two/results.json"))
assert r["state"] == "complete", r["state"]
assert len(r["runs"]) >= 288, len(r["runs"])
c = r["summary"]["contests"][0]
assert c["answer"].startswith("On own.csv, use "), c["answer"]
assert len(c["optimizers"]) == 12
P
fi

# Stopped by Ctrl-C: a report of what is done, and --resume brings the same end as no stop. The
# program ignores nothing that its shell does not: it is started with SIGINT at its default.
long=(--data digits --budget 4 --optimizers sgd,adam,'sam(adamw)' --threads 1)
long+=(--epochs 8 --seeds 2)
"$descent" compare "${long[@]}" --out whole >/dev/null 2>&1 || wrong "exit code $?, expected 0"
env --default-signal=INT "$descent" compare "${long[@]}" --out part >part.txt 2>part.err &
for _ in $(seq 200); do grep -q '/' part.err 2>/dev/null && break; sleep 0.01; done
kill -INT $!
wait $!
code=$?
# A fast machine may be done before the signal comes.
if [ $code -eq 130 ]; then
  grep -q '"state": "interrupted"' part/results.json || wrong "results.json does not say that it was interrupted"
  grep -q 'Hint: --resume goes on' part/report.html || wrong "the partial report does not say how to go on"
elif [ $code -ne 0 ]; then
  wrong "Ctrl-C: exit code $code, expected 130: $(cat part.txt part.err)"
fi
expect 0 'On digits, use' "${long[@]}" --out part --resume
same_reports whole part
grep -q '"state": "complete"' part/results.json || wrong "results.json is not complete after --resume"
# More seeds and trials only add runs.
expect 0 'the middle half of 3 seeds' "${long[@]/#2/3}" --out part --resume
expect 2 'has epochs "8", expected "9"' "${long[@]/#8/9}" --out part --resume
echo '{"runs": 3' >part/results.json
expect 3 'holds no results of a comparison' "${long[@]}" --out part --resume
expect 0 'On digits, use' "${long[@]}" --out part

# Counts that would fill the memory are refused.
expect 2 "got '999999999', expected a whole number from 1 to 10000" --data iris --seeds 999999999
expect 2 "got '10001', expected a whole number from 1 to 10000" --data iris --budget 10001

# A folder that cannot be written to shows before anything runs; names in other encodings do no harm.
mkdir -p taken/results.json
expect 3 'results.json' --data iris --epochs 1 --out taken
latin=$(printf 'l\xe4nge.csv')
cp own.csv "$latin"
expect 0 'use sgd' --data "$latin" --epochs 1 --budget 1 --seeds 1 --optimizers sgd --out latin

# What is standardised does not depend on the company.
expect 0 'On wine' --data wine --epochs 3 --budget 2 --seeds 2 --optimizers sgd,adam --out alone
expect 0 'On wine' --data iris,wine --epochs 3 --budget 2 --seeds 2 --optimizers sgd,adam --out together
diff <(grep '^"wine"' alone/results.csv | sed 's/,[^,]*$//') <(grep '^"wine"' together/results.csv | sed 's/,[^,]*$//') ||
  wrong "results on wine depend on what is compared beside it"

# An average is scored as such from its start on: until then swa(adamw) is adamw.
"$descent" compare --data wine --epochs 8 --budget 1 --seeds 1 --optimizers 'adamw,swa(adamw)' --out average >/dev/null 2>&1
if command -v python3 >/dev/null; then
  python3 - <<'P' || wrong "the curve of an average is not its own"
import json
runs = json.load(open("average/results.json"))["runs"]
plain, average = [next(r for k, r in runs.items() if " | %s | " % n in k and "tested" in k)["loss_by_epoch"] for n in ("adamw", "swa(adamw)")]
assert plain[:5] == average[:5] and plain[6] != average[6], (plain, average)
assert average[-1] == next(r for k, r in runs.items() if " | swa(adamw) | " in k and "tested" in k)["validation_loss"]
P
fi

# A limit of time ends in time, with what was complete.
start=$(date +%s)
"$descent" compare --data digits --epochs 200 --time-limit 2s --out timed >timed.txt 2>&1
[ $(($(date +%s) - start)) -le 30 ] || wrong "--time-limit 2s took half a minute"
grep -qE 'out of time' timed/report.html || wrong "the report does not say that time was over"

# Several data sets: profiles over all of them.
expect 0 'Over the 2 data sets' --data iris,own.csv --epochs 2 --budget 2 --seeds 2 --out several
grep -q 'area under its profile' several/report.html || wrong "no performance profiles"
expect 2 "got 'iris' twice" --data iris,iris --out several
# A regression is measured by R², and a file's name may hold a comma.
awk 'BEGIN { srand(3); print "x,y"; for (i = 0; i < 80; ++i) { x = rand(); print x "," 3 * x * x + .1 * rand() } }' >'a,b.csv'
expect 0 'R²' --data 'a,b.csv' --epochs 3 --budget 2 --seeds 2 --optimizers adam,momentum --out regression
expect 0 'lion' --data iris --epochs 1 --budget 1 --seeds 1 --optimizers all --out everything
[ "$(cut -d, -f3 everything/results.csv | sort -u | wc -l)" -ge 26 ] || wrong "'all' has fewer than 25 optimizers"

# Families, wrappers and settings within a description.
expect 0 'sam(adamw)' --data iris --epochs 1 --budget 1 --seeds 1 --optimizer 'sam, adam' --out cmp
expect 0 'lookahead(lion)' --data iris --epochs 1 --budget 2 --seeds 1 --optimizer 'sgd, lookahead(lion), adam(lr=0.01, beta1=0.8)' --out cmp
grep -qF '"adam(lr=0.01, beta1=0.8)"' cmp/results.csv || wrong "results.csv lacks a description with commas"
expect 4 'every run diverged' --data linear --epochs 2 --seeds 1 --lr 1e30 --optimizer sgd --out cmp

expect 2 "expected a time as 90s, 10m or 2h" --time-limit soon
expect 2 "budget" --budget 0
expect 2 "got 'sam', none of which goes with the other options" --optimizers sam --sam 0.1
expect 2 "did you mean 'adan'" --optimizers adam,adann
expect 3 "could not make the folder" --data iris --epochs 1 --out own.csv
printf 'a,b\n1,2\n3,4\n' >tiny.csv
expect 3 "got 2 samples in 'tiny.csv', expected at least 10" --data tiny.csv --out tiny
awk 'BEGIN { print "a,b"; for (i = 0; i < 40; ++i) print i "," 1.5 }' >flat.csv
expect 3 "got the target 'b', expected one that differs between rows" --data flat.csv --out flat

# The winner is trained as the printed line says, and is not replaced unasked.
winner=(--data own.csv --optimizers adam --budget 1 --seeds 2 --epochs 2 --keep-model)
expect 0 'To train the first on own.csv: descent train --data own.csv --optimizer adam --lr 0.001' \
  "${winner[@]}" --out kept
"$descent" predict kept/winner/model.safetensors own.csv >/dev/null || wrong "the winner does not predict"
expect 2 'which has the winner of an earlier comparison, expected another folder. Hint: --force' "${winner[@]}" --out kept
expect 0 '' "${winner[@]}" --out kept --force
expect 2 'got 2 data sets, expected one' --data own.csv,iris --keep-model --out two-winners

[ $failures -eq 0 ] && echo "all as expected"
exit $((failures > 0))
