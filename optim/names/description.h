// Optimizers and schedules as text: "sam(clip_norm(adamw(lr=0.001), 1), rho=0.05)". to_string()
// prints this text, and make() reads it.
#pragma once

#include <descent/optim/hyper.h>

#include <string>
#include <string_view>
#include <vector>

namespace descent::optim {

struct Argument;

/// A piece of text, taken apart: a number, a name, or a name with arguments in parentheses.
struct Expression {
  std::string text;                 ///< the number or the name
  bool called = false;              ///< true if parentheses follow the name
  std::vector<Argument> arguments;  ///< what stands between the parentheses

  /// Takes a text apart. Throws ValueError if the text is malformed; the message shows where.
  static Expression parse(std::string_view text);
  std::string to_string() const;  ///< the text, in the form that parse() reads
};

/// An argument of an Expression.
struct Argument {
  std::string key;   ///< "rho" for rho=0.05, "10:" for 10: 0.1, empty for a value alone
  Expression value;  ///< what follows the key
};

/// Reads a number, a switch or a schedule. true and false read as 1 and 0. Throws ValueError for
/// other text, for an unknown schedule, and for arguments that the schedule does not take.
Hyper parse_hyper(const Expression& e);
/// Reads a number, a switch or a schedule from text. Throws as above, and as Expression::parse().
///
///   parse_hyper("warmup(50, cosine(0.001, 500))")
Hyper parse_hyper(std::string_view text);

}  // namespace descent::optim
