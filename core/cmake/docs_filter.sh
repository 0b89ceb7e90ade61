#!/usr/bin/env bash
# What Doxygen reads instead of a header. Below the opening comment lines keep their numbers. docs_filter.sh FILE
#   - The opening comment becomes the description of the file. Its lines move down by one.
#   - Examples and formulas stay as they are: the lines of a comment that are indented by three spaces,
#     after an empty line or a colon.
#   - Constructors taken over from a base class vanish: the base class explains them.
awk '
  function put(line) {  # one line late, so that the last line of an example is known
    indented = line ~ /^ *\/\/\/   / && (in_code || before ~ /^ *\/\/\/$/ || before ~ /:$/)
    if (in_code && !indented) before = before " @endcode"
    if (held) print before
    if (indented && !in_code) sub(/\/\/\//, "/// @code{.cpp}", line)
    before = line; in_code = indented; held = 1
  }
  /^#pragma once/ { next }  # gives its line to "@file"
  /^\/\/ clang-format/ { put(""); next }
  !opened && /^\/\// { put("/// @file"); opened = heading = 1 }
  !/^\/\// { heading = 0 }
  heading { sub(/^\/\//, "///") }
  /^ *using [A-Za-z_]+::[A-Za-z_]+;/ { split($2, part, /::|;/); if (part[1] == part[2]) { put(""); next } }
  { put($0) }
  END { put("") }
' "$1"
