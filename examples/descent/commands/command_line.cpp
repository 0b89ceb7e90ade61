// The command line: which command it names, and with which options.
#include "commands/commands.h"
#include "run/choice.h"

#include <CLI/CLI.hpp>
#include <array>

namespace app {
namespace {

constexpr std::array kCommands{&kTrain,  &kPredict, &kEvaluate, &kImportance,
                               &kExport, &kCompare, &kExplain,  &kClaims};

}  // namespace

std::function<int()> read_command(int argc, const char* const* argv) {
  CLI::App program("Trains small networks and compares optimizers.", "descent");
  program.require_subcommand(1);
  program.set_version_flag("--version", "descent 0.1.0");
  program.footer(
      "Exit codes: 0 ok, 2 wrong usage, 3 bad input, 4 training failed, 130 interrupted.");
  std::vector<std::string> names;
  std::function<int()> chosen;
  for (const Command* c : kCommands) {
    names.emplace_back(c->name);
    CLI::App* sub = program.add_subcommand(c->name, c->help);
    sub->callback([&chosen, run = c->add(*sub)] { chosen = run; });
  }
  // CLI11 would call a wrong command an extra argument.
  if (argc > 1 && argv[1][0] != '-' && std::ranges::find(names, argv[1]) == names.end())
    descent::fail<UsageError>("descent", "wrong command: ", refusal(argv[1], names));
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return [code = program.exit(e) == 0 ? kOk : kUsage] { return code; };
  }
  return chosen;
}

}  // namespace app
