// What a person sees in the terminal: a progress bar, and tables.
#pragma once

#include "run/text.h"

#include <chrono>

namespace app {

/// Progress on stderr. On a terminal, a bar with the time left. Elsewhere, as in a log file, about
/// ten plain lines in all.
class Progress {
 public:
  /// `total` is how many pieces of work there are.
  explicit Progress(std::size_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// Shows that `done` pieces of work are finished, with a note beside the bar.
  void update(std::size_t done, const std::string& note);

 private:
  std::size_t total_, printed_ = 0;
  bool terminal_, drawn_ = false;
  std::chrono::steady_clock::time_point start_, last_;
};

/// A table as text. The first row is the header, and each column is as wide as its widest cell.
/// Column 0 and the columns from number `texts` on hold text and are aligned left; the others hold
/// numbers and are aligned right.
std::string table(const std::vector<std::vector<std::string>>& rows, std::size_t texts = 100);

}  // namespace app
