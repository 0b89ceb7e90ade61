// Optimizers and schedules as text: "sam(clip_norm(adamw(lr=0.001), 1), rho=0.05)", the form in
// which they are printed, saved and asked for.
#pragma once

#include <descent/optim/hyper.h>

#include <string>
#include <string_view>
#include <vector>

namespace descent::optim {

struct Argument;

/// name, name(…) or a number.
struct Expression {
  std::string text;
  bool called = false;  // with parentheses
  std::vector<Argument> arguments;

  /// Throws ValueError, which shows where, for text that is none.
  static Expression parse(std::string_view text);
  std::string to_string() const;
};

/// Its key is "" for none, "rho" of rho=0.05, or "10:" of 10: 0.1.
struct Argument {
  std::string key;
  Expression value;
};

/// A number or a schedule: "0.001", "cosine(0.001, 500)", "warmup(50, cosine(0.001, 500))". Throws
/// ValueError.
Hyper parse_hyper(const Expression& e);
Hyper parse_hyper(std::string_view text);

}  // namespace descent::optim
