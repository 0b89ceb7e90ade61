// What a person sees: a progress bar, and tables.
#pragma once

#include "run/text.h"

#include <chrono>

namespace app {

/// A bar with the time left on a terminal, and a plain line now and then elsewhere; on stderr.
class Progress {
 public:
  explicit Progress(std::size_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void update(std::size_t done, const std::string& note);

 private:
  std::size_t total_, printed_ = 0;
  bool terminal_, drawn_ = false;
  std::chrono::steady_clock::time_point start_, last_;
};

/// Columns padded to their widest cell; the first row is the header. Numbers are set right: all but
/// the first column and those from the one numbered `texts` on.
std::string table(const std::vector<std::vector<std::string>>& rows, std::size_t texts = 100);

}  // namespace app
