// Helpers that check the text of an error, and not only that an error was thrown.
#pragma once

#include <descent/core/error.h>

#include <gtest/gtest.h>
#include <string>

namespace descent::testing {

/// Returns the text of the exception of type E that f throws. If f throws no exception or another
/// type, the test fails.
template <class E, class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  } catch (const std::exception& e) {
    ADD_FAILURE() << "another type of error: " << e.what();
    return "";
  }
  ADD_FAILURE() << "no error";
  return "";
}

inline ::testing::AssertionResult has_text(const std::string& message, const std::string& part) {
  if (message.find(part) != std::string::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "'" << message << "' lacks '" << part << "'";
}

}  // namespace descent::testing
