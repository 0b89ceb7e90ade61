// Tracing: a report of what each step did to each parameter.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace descent::optim {

/// What a step did to one parameter. Norms are Euclidean.
struct TraceRow {
  std::int64_t step;           ///< steps taken before this one
  std::string_view parameter;  ///< name of the parameter
  double gradient_norm;        ///< norm of the gradient as backward() left it
  double used_norm;            ///< norm of the gradient as the rule saw it, after all wrappers
  double weight_norm;          ///< norm of the weights before the step
  double update_norm;          ///< norm of what the step added to the weights
  double ratio;                ///< update_norm / weight_norm; 0 if weight_norm is 0
  double effective_rate;       ///< update_norm / used_norm; 0 if used_norm is 0
  bool clipped;                ///< true if a wrapper made the gradient shorter
  std::int64_t non_finite;     ///< index of the first NaN or infinity in the gradient, or −1
};

/// Is called with a row for each parameter that has a gradient: see Optimizer::set_tracer().
using Tracer = std::function<void(const TraceRow&)>;

/// Returns a tracer that writes its rows to a CSV file with a header line. Replaces the file.
/// Throws FileError if the file cannot be opened. The tracer throws FileError if a row cannot be
/// written; the step that the row describes has been made by then.
///
///   optimizer.set_tracer(optim::csv_tracer("steps.csv"));
Tracer csv_tracer(const std::string& path);

}  // namespace descent::optim
