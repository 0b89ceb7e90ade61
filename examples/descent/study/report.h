// How what `compare` found is shown: the table in the terminal, the page, a CSV, JSON.
#pragma once

#include "study/judge.h"

#include <nlohmann/json_fwd.hpp>

namespace app {

/// Two tables: who is where, and with which settings.
std::string terminal_of(const Judged& judged);
/// One self-contained page.
std::string html_of(const std::vector<Judged>& all, const Study& study, const Options& o);
/// One line for every run.
std::string csv_of(const Study& study);
/// The conclusions, for results.json.
nlohmann::ordered_json json_of(const std::vector<Judged>& all, const Study& study,
                               const Options& o);

}  // namespace app
