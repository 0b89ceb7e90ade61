// What `compare` shows: tables in the terminal, a page of HTML, a CSV file, and JSON.
#pragma once

#include "study/judge.h"

#include <nlohmann/json_fwd.hpp>

namespace app {

/// Two tables for the terminal: the standings, and the settings that were chosen.
std::string terminal_of(const Judged& judged);
/// The report as one page that needs no other file and no network.
std::string html_of(const std::vector<Judged>& all, const Study& study, const Options& o);
/// The runs as CSV, one line for each run.
std::string csv_of(const Study& study);
/// The conclusions as JSON, for results.json.
nlohmann::ordered_json json_of(const std::vector<Judged>& all, const Study& study,
                               const Options& o);

}  // namespace app
