// report.html of a training run: one page that needs no other file.
#pragma once

#include "run/member.h"

namespace app {

/// What the page shows. The numbers are those that `descent evaluate` gives for the same rows.
struct RunReport {
  const descent::TableModel& model;
  const Prepared& data;
  const Learnable& from;
  const std::vector<Run>& runs;               // one for each network
  const std::vector<Evaluation>& validation;  // one for each target
  const std::vector<Evaluation>& tested;      // empty without --test
  const std::string& folds;                   // the table of --cv
};
std::string html_of(const Options& o, const RunReport& r);

}  // namespace app
