// Checking what an error says, not only that there was one.
#pragma once

#include <descent/core/error.h>

#include <gtest/gtest.h>
#include <string>

namespace descent::testing {

/// The text of the E that f throws; a failure if it throws none, or another type.
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
