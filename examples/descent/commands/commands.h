// The commands; each prints its results on stdout and gives the program's exit code.
#pragma once

#include "run/options.h"

namespace app {

inline constexpr int kOk = 0, kUsage = 2, kBadInput = 3, kTrainingFailed = 4, kInterrupted = 130;

int train_command(const Options& o);
int compare_command(const Options& o);
int claims_command(const std::vector<std::string>& only, const std::string& out);
int names_command();
int explain_command(const std::vector<std::string>& names, bool compare, bool markdown);

}  // namespace app
