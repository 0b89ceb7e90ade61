#!/usr/bin/env bash
# What the Markdown files point at exists. links.sh SOURCE
#
# For each Markdown file the script checks that
#   1. the file or folder of a relative link or picture exists, and the heading of a link to one;
#   2. a path in backquotes exists: `core/tape.h`, `optim/rules/`, `tape.h` or `run/options` for
#      `run/options.h`. A path may start at the root, or at any folder inside the file's own folder.
#      Words with a slash, as `rule/slot`, are a path if they end as one or if there is a folder `rule`;
#   3. a test in backquotes exists: `WriteFile.KeepsSymbolicLinks` names a TEST of that suite and name.
# Web addresses, paths into build/, and names with a placeholder (`<name>`, `*`, `…`) are left out. So is
# the second check in CHANGELOG.md, which tells of files that are gone.
set -uo pipefail
cd "$1" || exit 2
bad=0
report() { echo "$1: $2"; bad=1; }

# Every file and folder, with a / before and behind, and files without their ending too.
tree=$(mktemp)
trap 'rm -rf "$tree"' EXIT
find . -mindepth 1 \( -name 'build*' -o -name .git \) -prune -o -print | sed 's|^\./|/|' |
  awk '{ print $0 "/"; if (sub(/\.[a-z]+$/, "")) print $0 "/" }' | sort -u >"$tree"
folders=$(find . \( -name 'build*' -o -name .git -o -name corpus \) -prune -o -type d -printf '%f\n' | sort -u)
files=$(find . \( -name 'build*' -o -name .git \) -prune -o -name '*.md' -print | sed 's|^\./||' | sort)

# The text outside of blocks of code.
prose() { awk '/^ *```/ { inside = !inside; next } !inside' "$1"; }
# The anchors of headings, by GitHub's rule.
anchors() { prose "$1" | sed -nE 's/^#+ +//p' | tr '[:upper:]' '[:lower:]' | sed -E 's/[^[:alnum:] _-]//g; s/ /-/g'; }

for file in $files; do
  folder=$(dirname "$file")
  while read -r link; do
    case $link in
      http://* | https://* | mailto:*) continue ;;
    esac
    target=$folder/${link%%#*}
    [ -n "${link%%#*}" ] || target=$file
    if [ ! -e "$target" ]; then
      report "$file" "links to $link, which does not exist"
    elif [[ $link == *#* ]] && ! grep -qxF -- "${link#*#}" <<<"$(anchors "$target")"; then
      report "$file" "links to $link, but $target has no such heading"
    fi
  done < <(prose "$file" | sed 's/`[^`]*`//g' | grep -oE '\]\([^)]+\)|(src|href)="[^"]+"' | sed -E 's/^\]\(//; s/\)$//; s/^(src|href)="//; s/"$//; s/ .*//')

  [ "$(basename "$file")" != CHANGELOG.md ] || continue
  while IFS=. read -r suite name; do
    grep -rqE "TEST(_[FP])?\($suite, $name\)" tests || report "$file" "names the test $suite.$name, which does not exist"
  done < <(prose "$file" | grep -oE '`[A-Z][A-Za-z]+\.[A-Z][A-Za-z0-9]+`' | tr -d '`' | sort -u)
  while read -r path; do
    [[ $path != build/* ]] || continue
    [[ $path =~ (/|\.[a-z]+)$ ]] || grep -qxF -- "${path%%/*}" <<<"$folders" || continue
    grep -qxF -- "/${path%/}/" "$tree" && continue
    inside=/
    [ "$folder" = . ] || [ "$folder" = .github ] || inside=/$folder/
    awk -v start="$inside" -v end="/${path%/}/" '
      index($0, start) == 1 && substr($0, length($0) - length(end) + 1) == end { found = 1; exit }
      END { exit !found }' "$tree" || report "$file" "names \`$path\`, which does not exist"
  done < <(prose "$file" | grep -oE '`[^`]+`' | tr -d '`' | sed -E 's/^<descent\/(.*)>$/\1/' |
    grep -E '^[A-Za-z0-9_./-]+$' | grep -E '/|\.(h|cpp|inc|md|sh|py|txt|cmake)$' | grep -vE '^/|^--|^\.\.?/' | sort -u)
done
[ $bad -eq 0 ] && echo "every link and path leads somewhere"
exit $bad
