// What `train` and `compare` are asked to do, in one listing: the command line, settings.json and
// the report are all made from it.
#pragma once

#include "run/choice.h"

#include <descent/descent.h>

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace app {

struct Options {
  std::string data = "digits";
  std::string target{};             // of a CSV: name or number; empty: the last column
  std::vector<std::string> drop{};  // columns of a CSV to leave out
  std::string task = "auto";
  std::string standardize = "auto";
  std::vector<int> hidden{64};
  std::string activation = "relu";
  double dropout = 0;
  bool batch_norm = false;
  std::string optimizer = "adamw";
  double lr = 0;  // 0: the rule's default
  std::vector<std::string> set{};
  std::string schedule = "constant";
  std::int64_t warmup = 0;
  double sam = 0, clip_norm = 0, clip_value = 0, swa = 0, ema = 0;
  std::int64_t epochs = 20, batch = 32;
  std::uint64_t seed = 1;
  int budget = 12;        // compare: trials of each optimizer
  int seeds = 5;          // compare: fresh seeds for what was chosen
  double time_limit = 0;  // compare: seconds; 0 for none
  bool resume = false;    // compare: go on from results.json
  int threads = 0;        // 0: as the library decides
  double validation = 0.2;
  std::string out{};
  std::string trace{};  // train: CSV of what each step did to each parameter
};

/// Adds the options to a command; `compare` takes several optimizers and data sets, and has what
/// its protocol needs.
void add_options(CLI::App& command, Options& o, bool compare);

/// The folder of --out, the present one for "", made if it is not there. Throws FileError when that
/// fails, or nothing can be written into it: before the work, not after.
std::string output_folder(const std::string& out);

/// The settings as name and text, in the order above, for printing and saving.
std::vector<std::pair<std::string, std::string>> listing(const Options& o, bool compare);

/// The `descent compare` command that repeats a comparison.
std::string repeating_command(const Options& o);

}  // namespace app
