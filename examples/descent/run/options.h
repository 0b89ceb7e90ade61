// The options of `train` and `compare`. The command line gives the options, settings.json and the
// report list all options, and claims set options for their runs.
#pragma once

#include "run/choice.h"

#include <descent/descent.h>

#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace app {

struct Options {
  std::string data = "digits";
  std::string target{};             // column of a CSV file, by name or number; "": the last column
  std::vector<std::string> drop{};  // columns of a CSV file to leave out
  // How a CSV file is read: 'zip:category', ';', 'yes', ','; "" and auto leave it to the library.
  std::vector<std::string> column{};
  std::string separator = "auto", header = "auto", decimal = "auto";
  std::string task = "auto";
  std::string standardize = "auto";
  std::vector<int> hidden{64};
  std::string activation = "relu";
  double dropout = 0;
  bool batch_norm = false;
  std::string optimizer = "adamw";
  double lr = 0;  // 0: the default of the rule
  std::vector<std::string> set{};
  std::string schedule = "constant";
  std::int64_t warmup = 0;
  double sam = 0, clip_norm = 0, clip_value = 0, swa = 0, ema = 0;
  std::int64_t epochs = 20, batch = 32;
  std::uint64_t seed = 1;
  int budget = 12;          // compare: how many trials each optimizer has
  bool search_on = false;   // compare: search until the time is over; --time-limit without --budget
  int seeds = 5;            // compare: how many fresh seeds the chosen settings run with
  bool keep_model = false;  // compare: train the winner, and keep the model in --out
  double time_limit = 0;    // in seconds; 0 for no limit
  bool resume = false;      // go on with what was interrupted
  int threads = 0;          // 0: the library decides
  double validation = 0.2;
  // train
  std::string weight{};                // column with the weight of each row
  std::string class_weights = "none";  // or "balanced"
  double label_smoothing = 0;
  std::string test{};    // CSV file that is measured at the end
  std::string preset{};  // defaults for all options that are not given
  std::string config{};  // settings.json of another run
  int cv = 0;            // folds of a cross-validation before the run; 0: none
  int ensemble = 1;      // networks whose predictions are averaged
  std::string out{};
  bool own_patience = false;  // train: --patience was given
  std::int64_t patience = 0;  // train: epochs without improvement that end the run; 0: none do
  bool force = false;         // train: replace the model of an earlier run in --out
  std::string trace{};        // train: CSV file for what each step did to each parameter; "": none
};

/// The defaults of `train` or `compare`.
Options default_options(bool compare);

/// Adds the options to a command. `compare` says whether the command is `compare`, which takes
/// several optimizers and data sets and has options for its protocol.
void add_options(CLI::App& command, Options& o, bool compare);

/// How a CSV file is written: adds --separator, --header and --decimal to a command.
void add_format(CLI::App& command, Options& o);
/// What these options say.
descent::data::TableOptions format_of(const Options& o);

/// An option for printing and saving.
struct Listed {
  std::string name, text;
  bool is_text = false;                             // else a number or a switch
  std::optional<std::vector<std::string>> parts{};  // of an option that may be repeated
  bool operator==(const Listed&) const = default;
};
/// The options, in the order above.
std::vector<Listed> listing(const Options& o, bool compare);

/// The options of `train` as the members of a JSON object, by name. Numbers and switches are
/// numbers and bools, so that scripts need not convert text.
std::string json_of(const Options& o);

/// The command, `descent compare` or `descent train`, that repeats what these options describe.
std::string repeating_command(const Options& o, bool compare);

}  // namespace app
