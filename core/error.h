// Errors: if a user makes a mistake, the program throws an Error of this file. The text names the
// operation, what was got, what was expected, and what to do.
//
//   [matmul] got (2, 3) and (4, 5), expected inner dimensions to agree (3 != 4). Hint: …
//
// An error inside a module also names the path: `in net.fc2 (Linear 64 -> 10)`.
#pragma once

#include <descent/core/text.h>

#include <exception>
#include <string>
#include <string_view>

namespace descent {

/// The base of all errors.
class Error : public std::exception {
 public:
  /// An error with this text. A text may quote a file. Bytes that are not UTF-8 are therefore
  /// replaced, and of a text of 1,000 bytes or more the middle is left out.
  explicit Error(const std::string& message)
      : message_(brief(message, 700, 250)), text_(message_) {}
  /// The text, with the path of modules if there is one. The pointer is valid as long as the error.
  const char* what() const noexcept override { return text_.c_str(); }

  /// Adds a module in front of the path: the innermost module calls add_module() first. Only the
  /// first call keeps the configuration.
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
/// A saved state that does not fit the object that loads it.
struct StateError : Error {
  using Error::Error;
};
/// A file that is missing, unreadable or malformed.
struct FileError : Error {
  using Error::Error;
};
/// More memory than the system gives.
struct MemoryError : Error {
  using Error::Error;
};
/// A NaN or an infinity where training cannot go on.
struct NonFiniteError : Error {
  using Error::Error;
};

/// Throws E with the text "[op] parts…", where to_text() joins the parts.
///
///   fail<ShapeError>("dot", "got ", a.shape(), ", expected a vector");
template <class E, class... Parts>
[[noreturn]] [[gnu::cold]] [[gnu::noinline]] void fail(std::string_view op, const Parts&... parts) {
  throw E(to_text("[", op, "] ", parts...));
}

}  // namespace descent
