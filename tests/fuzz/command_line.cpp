// The command line: each line of the input is an argument. What the options accept, the command
// that the report prints repeats.
#include "commands/commands.h"
#include "run/options.h"
#include "study/search.h"
#include "tests/fuzz/fuzz.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <sstream>

using namespace descent;

namespace {

/// Reads the arguments of `train` or `compare`. Returns false if the options refuse them.
bool read(app::Options& o, bool compare, std::vector<std::string> arguments) {
  CLI::App command;
  if (compare) o.optimizer.clear();
  app::add_options(command, o, compare);
  std::ranges::reverse(arguments);  // as CLI11 takes them
  try {
    command.parse(arguments);
  } catch (const CLI::ParseError&) {
    return false;
  }
  return true;
}

/// Takes a line of a shell apart, which repeating_command() has written.
std::vector<std::string> words(const std::string& line) {
  std::vector<std::string> all{""};
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i)
    if (line[i] == '\'')
      quoted = !quoted;
    else if (line[i] == '\\' && !quoted)
      all.back() += line[++i];
    else if (line[i] == ' ' && !quoted)
      all.emplace_back();
    else
      all.back() += line[i];
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (std::find(data, data + size, 0) != data + size) return 0;  // ends an argument
  fuzz::Choices choices(data, size);
  std::vector<std::string> arguments;
  while (!choices.empty()) arguments.emplace_back(choices.line());
  std::vector<const char*> argv{"descent"};
  for (const std::string& a : arguments) argv.push_back(a.c_str());
  const std::ostringstream printed;
  std::streambuf *const out = std::cout.rdbuf(printed.rdbuf()), *const err = std::cerr.rdbuf(
                                                                    printed.rdbuf());
  fuzz::accepts([&] { app::read_command(static_cast<int>(argv.size()), argv.data()); });
  std::cout.rdbuf(out);
  std::cerr.rdbuf(err);

  if (arguments.empty()) return 0;
  const bool compare = arguments[0] == "compare";
  arguments.erase(arguments.begin());
  app::Options o, again;
  if (!read(o, compare, arguments)) return 0;
  fuzz::accepts([&] { app::given_settings(o); });
  const auto settings = nlohmann::json::parse("{" + app::json_of(o) + "}");
  for (const auto& [name, text, is_text, parts] : app::listing(o, false)) {
    const auto& value = settings.at(name);
    fuzz::require(parts                ? nlohmann::json::parse(app::json_text(*parts)) == value
                  : is_text            ? app::json_text(text) == value.dump()
                  : value.is_boolean() ? text == value.dump()
                                       : descent::parse_number(text) == value.get<double>(),
                  "settings.json has every option: " + name);
  }
  const std::string command = app::repeating_command(o, compare);
  fuzz::require(read(again, compare,
                     [&] {
                       auto all = words(command);
                       all.erase(all.begin(), all.begin() + 2);
                       return all;
                     }()),
                "the command repeats: " + command);
  fuzz::require(app::listing(o, compare) == app::listing(again, compare),
                "the command gives the same options: " + command);
  if (compare) {
    fuzz::accepts([&] { app::entrants_of(o); });
  } else {
    nn::Linear layer(2, 2);
    fuzz::accepts([&] { app::make_optimizer(o, layer.parameters(), 100); });
  }
  return 0;
}
