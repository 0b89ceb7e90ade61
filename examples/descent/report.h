// What `compare` found, and how it is shown: the table, the sentence at the top, the page.
#pragma once

#include "training.h"

#include <cmath>

namespace app {

/// One line of the table: an optimizer, and the rates that it is tried with.
struct Entrant {
  std::string name, description;
  std::vector<double> rates;  // {0}: the description has its own
  double swa = 0;             // averaged from this share of the run on
};

/// What came of one entrant: the rate that was best on validation data, and the runs with it.
struct Result {
  Entrant entrant;
  double lr = NAN;
  std::size_t diverged = 0, runs = 0;
  std::vector<Run> tuned, final;  // at the best rate, one per seed: on validation, and on test
};

/// The table of the terminal and the page; the first row is the header.
std::vector<std::vector<std::string>> table_of(const std::vector<Result>& results,
                                               bool classification);
/// Who is best, and whether that can be told from chance.
std::string verdict_of(std::vector<Result> results, bool classification, int seeds);
/// Which optimizers chose the first or last of their rates; "" when none did.
std::string edge_note(const std::vector<Result>& results);
/// One self-contained page with learning curves.
std::string html_of(const Options& o, const std::vector<Result>& results,
                    const descent::data::Dataset& all, const std::string& verdict);
/// One line for every tested run.
std::string csv_of(const std::vector<Result>& results);

}  // namespace app
