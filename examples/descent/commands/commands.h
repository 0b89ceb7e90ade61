// The commands of the program, one file each. A new command is a new file here and a line in the
// list of command_line.cpp.
#pragma once

#include "claims/claim.h"
#include "run/options.h"

#include <functional>

namespace CLI {
class App;
}

namespace app {

inline constexpr int kOk = 0, kUsage = 2, kBadInput = 3, kTrainingFailed = 4, kInterrupted = 130;

struct Command {
  const char *name, *help;
  /// Adds the options of the command to `app`. Returns the function that runs the command; it is
  /// called after the command line is read. The function prints results on stdout and returns the
  /// exit code of the program.
  std::function<int()> (*add)(CLI::App& app);
};

extern const Command kTrain, kPredict, kEvaluate, kImportance, kExport, kCompare, kExplain, kClaims;

/// Reads the command line. Returns what runs the command and returns the exit code of the program.
/// If the command line asks for help or cannot be read, prints the answer and returns what gives
/// the exit code. Throws UsageError for an unknown command.
std::function<int()> read_command(int argc, const char* const* argv);

/// Trains a model, as `descent train` does. Returns the exit code of the program.
int train(const Options& o);

/// Measures claims side by side, prints a line for each and writes claims.html, with an appendix,
/// into the folder `out`. Returns kOk if all claims hold, else kTrainingFailed.
int show_claims(const std::vector<const Claim*>& claims, const std::string& out,
                const std::string& appendix);

}  // namespace app
