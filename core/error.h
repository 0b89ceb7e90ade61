// Errors: every mistake of a user throws one of these, and its text names the operation, what was
// got, what was expected and what to do.
//
//   [matmul] got (2, 3) and (4, 5), expected inner dimensions to agree (3 != 4). Hint: …
//
// An error inside a module also names the path: `in net.fc2 (Linear 64 -> 10)`.
#pragma once

#include <descent/core/dtype.h>
#include <descent/core/shape.h>

#include <exception>
#include <string>
#include <string_view>

namespace descent {

class Error : public std::exception {
 public:
  explicit Error(std::string message) : message_(std::move(message)), text_(message_) {}
  const char* what() const noexcept override { return text_.c_str(); }

  /// Adds one step of the path of modules, from the innermost outwards. The configuration of the
  /// innermost alone is kept.
  void add_module(std::string_view name, std::string_view configuration);

 private:
  std::string message_, path_, configuration_, text_;
};

/// Shapes that do not fit each other or the operator.
struct ShapeError : Error {
  using Error::Error;
};
/// An element type the operator does not take.
struct DTypeError : Error {
  using Error::Error;
};
/// A number outside its range: an index, a label, a hyper-parameter, an option.
struct ValueError : Error {
  using Error::Error;
};
/// A misuse of the graph: freed, changed in place, not differentiable.
struct GraphError : Error {
  using Error::Error;
};
/// Saved state that does not match what it is loaded into.
struct StateError : Error {
  using Error::Error;
};
/// A file that is missing, unreadable or malformed.
struct FileError : Error {
  using Error::Error;
};
/// A NaN or an infinity where training cannot go on.
struct NonFiniteError : Error {
  using Error::Error;
};

namespace detail {
inline void append(std::string& s, std::string_view part) { s += part; }
inline void append(std::string& s, const char* part) { s += part; }
inline void append(std::string& s, const std::string& part) { s += part; }
inline void append(std::string& s, const Shape& shape) { s += to_string(shape); }
inline void append(std::string& s, DType t) { s += to_string(t); }
inline void append(std::string& s, char c) { s += c; }
inline void append(std::string& s, bool b) { s += b ? "true" : "false"; }
inline void append(std::string& s, int n) { s += std::to_string(n); }
inline void append(std::string& s, long n) { s += std::to_string(n); }
inline void append(std::string& s, long long n) { s += std::to_string(n); }
inline void append(std::string& s, unsigned n) { s += std::to_string(n); }
inline void append(std::string& s, unsigned long n) { s += std::to_string(n); }
/// The shortest text that reads back as the same number: 0.001, 1e-08, nan.
void append(std::string& s, double x);
}  // namespace detail

/// Joins text, numbers, shapes and element types.
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::string s;
  (detail::append(s, parts), ...);
  return s;
}

/// Throws E with the text "[op] parts…".
template <class E, class... Parts>
[[noreturn]] [[gnu::cold]] [[gnu::noinline]] void fail(std::string_view op, const Parts&... parts) {
  throw E(concat("[", op, "] ", parts...));
}

/// The candidate closest to `name` by edit distance (of equals, one of the same length), or "" when
/// none is near: for "did you mean".
template <class Names>
std::string nearest_match(std::string_view name, const Names& candidates);

namespace detail {
std::size_t edit_distance(std::string_view a, std::string_view b);
}

template <class Names>
std::string nearest_match(std::string_view name, const Names& candidates) {
  std::string best;
  std::size_t least = name.size() / 2 + 1;
  for (const auto& candidate : candidates) {
    const std::size_t distance = detail::edit_distance(name, candidate);
    const bool tie_won =
        distance == least && candidate.size() == name.size() && best.size() != name.size();
    if (distance < least || (tie_won && !best.empty())) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace descent
