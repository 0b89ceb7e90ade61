// Tracing: what each step did to each parameter.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace descent::optim {

/// What a step did to one parameter. Norms are Euclidean.
struct TraceRow {
  std::int64_t step;           ///< steps taken before this one
  std::string_view parameter;  ///< its name
  double gradient_norm;        ///< of the gradient as backward() left it
  double used_norm;            ///< of the gradient as the rule saw it, after clipping and its kin
  double weight_norm;          ///< of the weights before the step
  double update_norm;          ///< of what the step added to the weights
  double ratio;                ///< update_norm / weight_norm; 0 for weights of norm 0
  double effective_rate;       ///< update_norm / used_norm; 0 for a gradient of norm 0
  bool clipped;                ///< a wrapper made the gradient shorter
  std::int64_t non_finite;  ///< the first element of the gradient that is NaN or infinite, or −1
};

/// Receives a row for each parameter with a gradient: see Optimizer::set_tracer().
using Tracer = std::function<void(const TraceRow&)>;

/// A tracer that writes its rows to a CSV file, with a header line. Throws FileError if the file
/// cannot be opened.
Tracer csv_tracer(const std::string& path);

}  // namespace descent::optim
