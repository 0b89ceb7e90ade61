#!/usr/bin/env bash
# The program descent: what it prints, what it writes, and how it refuses. cli.sh DESCENT
set -uo pipefail
descent=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
failures=0

# expect CODE TEXT ARGUMENT…: the exit code, and a text in what is printed.
expect() {
  local code=$1 text=$2 output actual
  shift 2
  output=$("$descent" "$@" 2>&1)
  actual=$?
  if [ "$actual" -ne "$code" ]; then
    echo "descent $*: exit code $actual, expected $code"; echo "$output"; failures=$((failures + 1))
  elif ! grep -qF -- "$text" <<<"$output"; then
    echo "descent $*: lacks '$text'"; echo "$output"; failures=$((failures + 1))
  fi
}
has() { grep -qE "$2" "$1" || { echo "$1 lacks $2"; failures=$((failures + 1)); }; }

expect 0 'validation loss' train --data digits --hidden 64,64 --activation relu --optimizer adamw --lr 1e-3 \
  --set weight_decay=0.05 --schedule cosine --warmup 50 --sam 0.05 --clip-norm 1 --swa 0.75 --epochs 3 \
  --batch 32 --seed 1 --threads 2 --out run/
has run/settings.json '"optimizer": "adamw"'
has run/settings.json 'swa\(sam\(clip_norm\(adamw\(lr=warmup\(50, cosine\(0.001'
has run/metrics.csv '^3,'
[ -s run/model.safetensors ] || { echo "no model"; failures=$((failures + 1)); }

# The optimizer that is described is the one that trains: with batch normalisation three batches an epoch.
expect 0 'cosine(0.001, 6)' train --data iris --batch-norm --schedule cosine --epochs 2
expect 0 '6 gradient evaluations' train --data iris --batch-norm --schedule cosine --epochs 2

# Nothing that could not be written is passed over.
for command in 'explain adam' 'explain --markdown' 'train --data iris --epochs 1' '--help'; do
  # shellcheck disable=SC2086  # the words of a command
  "$descent" $command >/dev/full 2>log
  [ $? -eq 3 ] || { echo "descent $command >/dev/full: expected exit code 3"; failures=$((failures + 1)); }
  has log 'could not write to standard output'
done
expect 3 "could not write '/dev/full'" train --data iris --epochs 1 --trace /dev/full

# A stream that is closed, and a limit on the size of files.
"$descent" train --data iris --epochs 3 --trace closed.csv 2>&- >/dev/null ||
  { echo "standard error closed: failed"; failures=$((failures + 1)); }
grep -v '^[0-9s]' closed.csv && { echo "the progress went into the trace"; failures=$((failures + 1)); }
"$descent" train --data iris --epochs 3 --trace closed.csv 2>/dev/null >&-
[ $? -eq 3 ] || { echo "standard output closed: expected exit code 3"; failures=$((failures + 1)); }
grep -v '^[0-9s]' closed.csv && { echo "the table went into the trace"; failures=$((failures + 1)); }
bash -c 'ulimit -f 1; "$0" train --data iris --epochs 3 --out limited' "$descent" >/dev/null 2>log
[ $? -eq 3 ] || { echo "limit on the size of files: expected exit code 3"; failures=$((failures + 1)); }
has log "could not write into 'limited': File too large"
compgen -G 'limited/.descent-*' >/dev/null && { echo "a temporary file is left"; failures=$((failures + 1)); }

# What is written replaces no data, and no other output.
for i in $(seq 1 60); do echo "$i,$((i % 7)),$((3 * i)).5"; done >mine.csv
cp mine.csv metrics.csv
ln -s mine.csv link.csv
ln -s pool loop
ln -s loop pool
mkdir both
expect 2 "got 'mine.csv', which belongs to the data" train --data mine.csv --trace mine.csv
expect 2 "got './link.csv', which belongs to the data" train --data mine.csv --trace ./link.csv
expect 2 "got './metrics.csv', which belongs to the data" train --data metrics.csv --out .
expect 3 "could not make the folder 'loop'" train --data iris --epochs 1 --out loop
mkdir idx
: >idx/train-images-idx3-ubyte
expect 2 "got 'idx/train-images-idx3-ubyte', which belongs to the data" train --data idx --trace idx/train-images-idx3-ubyte
expect 2 'which --out writes too' train --data iris --out both --trace both/../both/metrics.csv
mv metrics.csv results.csv
expect 2 "got './results.csv', which belongs to the data" compare --data results.csv --epochs 1
cmp mine.csv results.csv || failures=$((failures + 1))
rm results.csv

# A whole number is decimal.
expect 0 '80 gradient evaluations' train --data iris --epochs 010 --batch 0016 --hidden 08
expect 2 'got an empty name, expected one' train --data mine.csv --drop ''
expect 2 "got '0x10', expected whole numbers" train --data iris --hidden 0x10
expect 2 "got '0x10', expected a whole number" train --data iris --epochs 0x10

# A run that is interrupted goes on with the same bits, at any moment and on another number of threads.
# The plateau lowers the rate before the interruption; settings.json must tell the rate of the beginning.
run=(train --data digits --epochs 60 --schedule plateau --lr 0.05 --ema 0.9 --dropout 0.1 --batch-norm)
"$descent" "${run[@]}" --out whole >/dev/null 2>&1
has whole/metrics.csv '^12,0.015,'
has whole/settings.json '"rule": ".*adamw\(lr=0.05'
expect 2 'got no --out' "${run[@]}" --resume
expect 0 'has ended: there is nothing to go on with' "${run[@]}" --out whole --resume
for signal in INT TERM KILL; do
  env --default-signal=INT "$descent" "${run[@]}" --threads 2 --out part >/dev/null 2>log &
  for _ in $(seq 1000); do grep -q '^12/60' log && break; sleep 0.01; done
  kill -$signal $!
  wait $! 2>/dev/null
  code=$?
  if [ $code -eq 130 ]; then
    has log 'To go on: the same command with --resume'
    expect 2 'which has checkpoints of a run that was interrupted' "${run[@]}" --out part
    expect 2 "clip_norm: got '3', expected '0'" "${run[@]}" --out part --resume --clip-norm 3
    touch trace.csv
    expect 2 'would replace the trace' "${run[@]}" --out part --resume --trace trace.csv
  elif [ $code -ne 0 ] && [ $signal != KILL ]; then
    echo "SIG$signal: exit code $code, expected 130"; failures=$((failures + 1))
  fi
  expect 0 '' "${run[@]}" --threads 1 --out part --resume
  cmp -s whole/model.safetensors part/model.safetensors && cmp -s whole/settings.json part/settings.json &&
    diff <(cut -d, -f1-6 whole/metrics.csv) <(cut -d, -f1-6 part/metrics.csv) >/dev/null ||
    { echo "SIG$signal: other bits than without an interruption"; failures=$((failures + 1)); }
  compgen -G 'part/checkpoint-*' >/dev/null && { echo 'checkpoints are left'; failures=$((failures + 1)); }
  rm -rf part
done

# Results on stdout, progress on stderr; the same seed gives the same results with any threads.
"$descent" train --data iris --epochs 5 --threads 1 2>progress >one
"$descent" train --data iris --epochs 5 --threads 2 2>/dev/null >two
has progress '^5/5 '
has one 'accuracy 0\.'
diff <(sed 's/ in [0-9].*//' one) <(sed 's/ in [0-9].*//' two) >/dev/null || { echo "two threads change results"; failures=$((failures + 1)); }

printf 'a,b,yield\n' >table.csv
for i in $(seq 1 60); do echo "$i,$((i % 7)),$((3 * i)).5" >>table.csv; done
for data in wine moons spirals blobs xor linear sine table.csv; do expect 0 'validation loss' train --data $data --epochs 2; done
expect 0 'R²' train --data table.csv --target yield --epochs 2
DESCENT_NUM_THREADS=abc expect 2 "got 'abc', expected a whole number" train --data iris
for rule in sgd momentum nesterov adagrad rmsprop adam amsgrad adamw; do expect 0 "$( [ $rule = momentum ] || [ $rule = nesterov ] && echo sgd || echo $rule )(" train --data iris --optimizer $rule --epochs 1; done
for schedule in constant step exponential linear cosine one_cycle plateau; do expect 0 'validation loss' train --data iris --epochs 3 --schedule $schedule; done
expect 0 'averaged weights' train --data iris --epochs 2 --batch-norm --dropout 0.1 --ema 0.9
expect 0 'averaged weights' train --data iris --epochs 2 --optimizer schedule_free_adamw
expect 0 'averaged weights' train --data iris --epochs 2 --optimizer 'swa(adamw, start=3)'

expect 0 'R²' train --data table.csv --task regression --drop a --epochs 2 --out scaled
has scaled/settings.json '"epochs": 2'
expect 0 'Loshchilov & Hutter' explain adamw
expect 0 'rmsprop' explain
expect 0 'USE IT FOR' explain --compare adam adamw sgd
expect 2 'expected at most 4' explain --compare adam adamw sgd lion muon
[ "$("$descent" explain --compare adam adamw sgd | awk '{n = gsub(/[^\x80-\xBF]/, "x"); if (n > m) m = n} END {print m}')" -le 80 ] || { echo "wider than 80"; failures=$((failures + 1)); }
expect 2 "did you mean 'adamw'" explain adamv
expect 2 'expected one of sgd, momentum' explain nonsense
expect 2 "did you mean 'rmsprop'" train --optimizer rmspop
expect 2 'got momentum = 1.5, expected a number in [0, 1)' train --optimizer sgd --set momentum=1.5
expect 2 "got the setting 'beta3', expected one of lr, beta1, beta2" train --optimizer adam --set beta3=1
expect 2 "got 'weight_decay', expected name=number" train --set weight_decay
expect 2 "did you mean 'relu'" train --activation rellu
expect 2 "did you mean 'cosine'" train --schedule cosin
expect 2 "did you mean 'regression'" train --task regresion
expect 0 '8×8 pixels' train --help
expect 2 'epochs' train --epochs 0
expect 2 'wrong' train --wrong 1
expect 2 'A subcommand is required'
expect 2 "did you mean 'train'" trian
expect 0 '0.1.0' --version
expect 2 'expected the rate as --lr' train --set lr=0.5
expect 2 'expected a CSV file for these' train --data iris --target species
expect 2 "got '-3', expected a whole number" train --seed -3
expect 2 "expected a whole number below 2^53" train --seed 9007199254740993
touch iris
expect 2 'expected a CSV file for these' train --data iris --target species
rm iris

# --resume takes no model for that of another run; a run that fails leaves an earlier one's files whole.
expect 0 'validation loss' train --data iris --epochs 2 --out ended
expect 0 'has ended' train --data iris --epochs 2 --out ended --resume
expect 2 'which has the model of another run' train --data wine --epochs 3 --out ended --resume
cp -r ended before
expect 4 'the files of an earlier run in ended stay as they were' \
  train --data linear --optimizer sgd --lr 1000 --epochs 5 --out ended --force
expect 2 'which has the model of an earlier run' train --data linear --epochs 5 --out ended
diff -r ended before || { echo "a run that diverged changed the files of another"; failures=$((failures + 1)); }
expect 2 "got 'abc', expected a number above 0" train --lr abc
expect 2 "Hint: sam(adamw)" train --optimizer sam
expect 2 'so does the name muon_adamw' train --data iris --optimizer muon
for rule in $("$descent" explain --names | grep -vxE 'muon|lm|gauss_newton|natural_gradient|spring|hessian_free'); do expect 0 'validation loss' train --data iris --optimizer "$rule" --epochs 1; done
expect 2 "the class optim::LevenbergMarquardt, expected its name 'lm'" explain levenberg_marquardt
expect 2 "got 'lm' for the classes of 'iris'" compare --data iris --optimizers lm,dog
expect 2 'got classes for lm' train --data iris --optimizer lm
expect 2 'has no rate' train --data iris --optimizer newton_cg --lr 0.1
for rule in 'lm(max_iter=3)' 'gauss_newton(max_iter=1)' natural_gradient spring "hessian_free(max_cg=3)"; do expect 0 'R²' train --data table.csv --task regression --drop a --epochs 1 --optimizer "$rule"; done
expect 0 'sam(clip_norm(adamw(lr=0.001' train --data iris --epochs 1 \
  --optimizer 'sam(clip_norm(adamw(lr=1e-3,weight_decay=0.05),1.0),rho=0.05)' --out text/
has text/settings.json '"rule": "sam\(clip_norm\(adamw\(lr=0.001, .*weight_decay=0.05.*max_norm=1\), rho=0.05'
expect 0 'ema(lookahead(lion(lr=cosine(0.01, 20)' train --data iris --epochs 1 --optimizer 'ema(lookahead(lion(lr=cosine(0.01, 20))), 0.9)'
expect 0 'validation loss' train --data iris --epochs 1 --trace steps.csv
has steps.csv '^0,0.weight,'
expect 2 'with a rate of its own' train --data iris --optimizer 'adamw(lr=0.1)' --schedule cosine
expect 2 "expected ',' or ')' after 'sam(adamw'" train --data iris --optimizer 'sam(adamw'
expect 3 "did you mean 'digits'" train --data digitz
expect 3 "expected train-images" train --data "$folder"
printf '1,2,3\n4,x,6\n7,8,9\n' >bad.csv
expect 3 "got 'x' in line 2, column 1 counted from 0" train --data bad.csv
expect 2 "did you mean 'yield'" train --data table.csv --target yeild
mkdir images
mkfifo images/train-images images/pipe
touch images/train-labels
expect 3 'got a pipe' train --data images
expect 3 'got no bytes from the pipe' train --data images/pipe  # which nobody opens for writing
expect 3 'which is no file or folder' train --data "$(printf 'n%.0s' {1..5000})"
expect 3 'which takes 399999999600000 bytes' train --data iris --hidden 100000,999999999
expect 2 "got '0,5', expected a number above 0" train --data iris --lr 0,5

# A pipe is read like a file.
from_file=$("$descent" train --data mine.csv --epochs 2 --seed 3 2>/dev/null | grep '^validation')
[ -n "$from_file" ] || { echo "no result from the file"; failures=$((failures + 1)); }
for way in 'cat mine.csv | "$0" train --data -' '"$0" train --data <(cat mine.csv)'; do
  got=$(bash -c "$way --epochs 2 --seed 3" "$descent" 2>/dev/null | grep '^validation')
  [ "${got% in *}" = "${from_file% in *}" ] || { echo "$way: got '$got', expected '$from_file'"; failures=$((failures + 1)); }
done

# A table with words and gaps, and predictions of new rows by name, from a file and from a pipe.
echo 'id,width,depth,kind,same,load' >beams.csv
for i in $(seq 1 200); do
  [ $((i % 11)) -eq 0 ] && width='' || width=$((i % 13)).5
  [ $((i % 3)) -eq 0 ] && kind='"red, oak"' || kind=pine
  echo "b$i,$width,$((i % 7)),$kind,7,$((3 * (i % 13) + i % 7 + i % 3)).25"
done >>beams.csv
expect 0 'width   numbers, 18 gaps' train --data beams.csv --epochs 30 --out beams
expect 0 'left out: same: constant' train --data beams.csv --epochs 1
expect 0 'left out: id: words that differ in every row' train --data beams.csv --epochs 1
expect 3 'lacks the column' predict beams/model.safetensors mine.csv
expect 0 'predicted_load' predict beams/model.safetensors beams.csv
"$descent" predict beams/model.safetensors beams.csv --keep id --out all.csv
has all.csv '^b200,[0-9.]+$'
{ echo 'kind,extra,depth,width,id'; awk -F'"' 'NR > 1 && NR < 40 {
    if (NF > 1) { kind = "\"" $2 "\""; split($1, a, ","); } else { split($0, a, ","); kind = a[4]; }
    print kind ",2024-01-01," a[3] "," a[2] "," a[1] }' beams.csv; } >moved.csv
"$descent" predict beams/model.safetensors - --keep id <moved.csv >moved
cmp <(head -n 39 all.csv) moved || { echo "other predictions when columns moved"; failures=$((failures + 1)); }
sed 's/pine/larch/' beams.csv >larch.csv
expect 0 '134 fields with words that were not there in training' predict beams/model.safetensors larch.csv
expect 3 "Hint: is it 'widht'?" predict beams/model.safetensors <(sed 's/width/widht/' beams.csv)
expect 3 'got a device as the standard input' predict beams/model.safetensors - </dev/zero
expect 2 'which is the model, expected another file' predict beams/model.safetensors beams.csv --out beams/model.safetensors
expect 2 'which belongs to the data' predict beams/model.safetensors beams.csv --out ./beams.csv
expect 2 "column to keep 'nose'" predict beams/model.safetensors beams.csv --keep nose
head -c 300 beams/model.safetensors >cut.safetensors
expect 3 'cut.safetensors' predict cut.safetensors beams.csv
expect 2 'a model of a regression' predict beams/model.safetensors beams.csv --proba
expect 3 "could not open 'run/nothing.safetensors'" predict run/nothing.safetensors beams.csv
"$descent" train --data beams.csv --target kind --epochs 5 --out kinds >/dev/null 2>&1
expect 0 'predicted_kind,p_pine,"p_red, oak"' predict kinds/model.safetensors beams.csv --proba
expect 3 "lacks the column" predict kinds/model.safetensors bad.csv
expect 0 '160 samples to train, 40 to validate, 5 features' train --data beams.csv --epochs 1 --column same:number \
  --header yes --separator comma --decimal point
expect 2 "got 'kind:words', expected NAME:number" train --data beams.csv --column kind:words
# A model of decimal commas answers on a file of decimal points, if it is told.
printf 'a;b\n1,5;2,5\n2,5;3,5\n3,1;4,5\n1,2;2,5\n2,2;3,3\n7,1;8,5\n1,1;2,2\n2,7;3,1\n' >commas.csv
printf 'a,b\n1.5,2.5\n2.5,3.5\n' >points.csv
expect 0 'R²' train --data commas.csv --target b --epochs 1 --out commas
expect 3 'with a decimal comma. Hint: the option decimal' predict commas/model.safetensors points.csv
expect 0 'predicted_b' predict commas/model.safetensors points.csv --decimal point
expect 0 'R²' evaluate commas/model.safetensors points.csv --decimal point --separator comma

# The best weights are kept with --patience, also when the run is resumed; without it, train says what is lost.
expect 0 'Hint: --patience 20 keeps the best' train --data wine --hidden 64 --lr 0.1 --epochs 60 --seed 2 --patience 0
best=(train --data wine --hidden 64 --lr 0.1 --epochs 4000 --seed 2 --patience 1500)
"$descent" "${best[@]}" --out best >log 2>/dev/null
epoch=$(sed -n 's/^the weights are those of epoch //p' log)
awk -F, -v epoch="$epoch" 'NR > 1 && (least == "" || $5 < least) { least = $5; at = $1 } END { exit at != epoch }' best/metrics.csv ||
  { echo "epoch $epoch is not the best"; failures=$((failures + 1)); }
"$descent" "${best[@]}" --out again >/dev/null 2>progress &
for _ in $(seq 1000); do grep -q '^[0-9]*/4000' progress && break; sleep 0.01; done
kill -KILL $!
wait $! 2>/dev/null
expect 0 '' "${best[@]}" --out again --resume
cmp best/model.safetensors again/model.safetensors || { echo "other weights when resumed"; failures=$((failures + 1)); }

# A model is measured: the report, the table of train and `evaluate` say the same of the same rows.
sed -n '1p;2,161p' beams.csv >first.csv
{ sed -n 1p beams.csv; sed -n '162,$p' beams.csv; } >last.csv
expect 0 'On last.csv:' train --data first.csv --epochs 20 --out measured --test last.csv
"$descent" train --data first.csv --epochs 20 --test last.csv 2>/dev/null | sed -n '/^On last.csv/,$p' | grep -E '^(R²|RMSE|MAE|[59]0? )' >said
"$descent" evaluate measured/model.safetensors last.csv | grep -E '^(R²|RMSE|MAE|[59]0? )' >evaluated
cmp said evaluated || { echo "train --test and evaluate differ"; failures=$((failures + 1)); }
value=$(awk '/^RMSE/ { print $2 }' evaluated)
has measured/report.html "<td>$value</td>"
has measured/report.html 'descent train --data first.csv --epochs 20'
expect 0 'loss rises by' importance measured/model.safetensors last.csv
expect 3 "lacks the target 'load', expected a column with what was measured" \
  evaluate measured/model.safetensors <(sed '1s/load/lode/' last.csv)
expect 3 "got the class 'elm' in the target 'kind', expected one that was there" \
  evaluate kinds/model.safetensors <(sed 's/pine/elm/' beams.csv)
expect 0 'true \ predicted' evaluate kinds/model.safetensors beams.csv

# Rare classes: what is said of them, and weights for them.
awk 'BEGIN { srand(3); print "x,y,count"; for (i = 0; i < 400; ++i) { x = rand(); print x "," (x > .97 ? "yes" : "no") "," 1 + i % 3 } }' >rare.csv
expect 0 "a model that always says so has accuracy 0.97" train --data rare.csv --target y --drop count --epochs 2
expect 0 'validation' train --data rare.csv --target y --weight count --class-weights balanced --epochs 2
expect 2 'got a target of numbers, expected classes' train --data rare.csv --target x --class-weights balanced
expect 3 "got words in the column of --weight 'y', expected numbers" train --data rare.csv --weight y --target x
expect 2 'Hint: did you mean' train --data rare.csv --weight cuont
expect 3 "got -1 in the column 'count', expected numbers of 0 or more" train --data <(sed 's/,1$/,-1/' rare.csv) --target y --weight count
expect 2 'got it with --ensemble, expected a run of one network' train --data iris --ensemble 2 --trace t.csv
head -n 4 rare.csv >few.csv
expect 3 'fold 1: ' train --data few.csv --target x --cv 2 --epochs 1
expect 3 'Hint: fewer folds leave more rows for each' train --data few.csv --target x --cv 2 --epochs 1
expect 2 'expected a CSV file that has this column' train --data iris --weight x

# What is unusual about a table is said.
awk 'BEGIN { srand(5); print "number,x,stars"; for (i = 0; i < 60; ++i) print 100 + i "," rand() "," int(5 * rand()) }' >remarks.csv
expect 0 'number counts the rows; if it only names them, --drop leaves it out' train --data remarks.csv --epochs 1
expect 0 'stars has 5 different numbers, read as classes; --task regression' train --data remarks.csv --epochs 1
expect 0 'nothing was saved. Hint: --out FOLDER' train --data remarks.csv --epochs 1
expect 0 'x: how much each row counts' train --data remarks.csv --weight x --epochs 1
for i in $(seq 30); do echo "2024-01-$((i % 28 + 10)),$i.5"; done | sed '1i day,y' >dated.csv
expect 3 'Hint: drop the column, write plain numbers into the file, as days for dates' train --data dated.csv --epochs 1
expect 3 'Hint: write plain numbers into the file, as days for dates, or drop the column' \
  train --data dated.csv --epochs 1 --column day:number

# Folds, ensembles, presets, settings of another run, time.
expect 0 'all    200' train --data beams.csv --cv 4 --epochs 3
expect 2 'got a model of one network, expected an ensemble' predict measured/model.safetensors beams.csv --spread
expect 0 'network  epochs' train --data beams.csv --ensemble 3 --epochs 3 --out many
expect 0 'predicted_load,spread_load' predict many/model.safetensors beams.csv --spread
[ -e many/network-1 ] && { echo "folders of networks are left"; failures=$((failures + 1)); }
expect 0 'coslog4' train --data beams.csv --preset tabular --hidden 8 --epochs 2 --out preset
has preset/settings.json '"hidden": "8"'
has preset/settings.json '"standardize": "robust"'
expect 0 'Linear 4 -> 3' train --config preset/settings.json --hidden 3 --out preset2
has preset2/settings.json '"schedule": "coslog4"'
has preset2/settings.json '"hidden": "3"'
echo '{"hiden": 3}' >wrong.json
expect 2 "got 'hiden' in 'wrong.json', expected names of options. Hint: did you mean '--hidden'?" train --config wrong.json
expect 3 'which is no JSON object' train --config beams.csv
# The folds and the networks share the time.
expect 0 'the time is over' train --data beams.csv --epochs 1000000 --patience 0 --time-limit 2s --cv 2 --ensemble 3
expect 0 'before an average of weights' train --data digits --epochs 100000 --swa 0.9 --time-limit 0.3s
expect 0 'the time is over' train --data digits --epochs 100000 --patience 0 --time-limit 1s
expect 0 'targets: load, depth' train --data beams.csv --target load,depth --epochs 2 --out pair
expect 0 'predicted_load,predicted_depth' predict pair/model.safetensors beams.csv
several=(train --data beams.csv --ensemble 2 --epochs 4000 --patience 0)
"$descent" "${several[@]}" --out several >/dev/null 2>&1
"$descent" "${several[@]}" --out killed >/dev/null 2>&1 &
for _ in $(seq 1000); do [ -e killed/network-2/checkpoint-000001.safetensors ] && break; sleep 0.01; done
sleep 0.2
kill -KILL $!
wait $! 2>/dev/null
expect 2 'the interrupted run, which has several networks' train --data beams.csv --epochs 4000 --patience 0 --out killed --resume
expect 2 'which has checkpoints of a run that was interrupted' train --data beams.csv --out killed
expect 0 '' "${several[@]}" --out killed --resume
cmp several/model.safetensors killed/model.safetensors || { echo "an ensemble has other weights when resumed"; failures=$((failures + 1)); }

# Exports: a C program agrees with predict.
expect 2 "got 'd', expected one of c, onnx, npz" export measured/model.safetensors --format d
expect 2 'which belongs to the data' export measured/model.safetensors --format c --out measured/model.safetensors
expect 2 'expected letters, digits and _' export measured/model.safetensors --format c --prefix 'a b' --out a.h
expect 0 'the model is in beams.h' export measured/model.safetensors --format c --prefix beams
if command -v cc >/dev/null; then
  printf '%s\n' '#include "beams.h"' 'int main(void) { return beams_self_test(); }' >self.c
  cc -std=c99 -Wall -Wextra -Wconversion -pedantic -Werror self.c -o self -lm && ./self || { echo "the header of C predicts wrongly"; failures=$((failures + 1)); }
fi

# A wrong option is named, with the nearest one.
expect 2 "got '--epoch', expected options of \`descent train --help\`. Hint: did you mean '--epochs'?" train --data iris --epoch 3

# Names in another encoding than UTF-8.
printf 'br\xe4ite,y\n1,2.5\n2,3\n3,5\n4,1\n5,2\n' >latin.csv
expect 3 'Hint: if the file is in Latin-1, iconv' train --data latin.csv --epochs 1
expect 4 'Hint: lower --lr' train --data linear --optimizer sgd --lr 1000 --epochs 5

[ $failures -eq 0 ] && echo "all as expected"
exit $((failures > 0))
