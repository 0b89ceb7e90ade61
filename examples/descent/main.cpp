// The command-line program `descent`: finds the command, and turns errors into exit codes.
//
// Exit codes: 0 ok, 2 wrong usage, 3 bad input, 4 training failed; 130 when interrupted.
#include "commands/commands.h"
#include "run/choice.h"

#include <CLI/CLI.hpp>
#include <array>
#include <iostream>

namespace app {
namespace {

constexpr std::array kCommands{&kTrain, &kCompare, &kExplain, &kClaims};

int run(int argc, char** argv) {
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
    return program.exit(e) == 0 ? kOk : kUsage;
  }
  return chosen();
}

}  // namespace
}  // namespace app

int main(int argc, char** argv) {
  int code = app::kUsage;
  try {
    code = app::run(argc, argv);
    if (!std::cout.flush())
      descent::fail<descent::FileError>("descent",
                                        "could not write to standard output. Hint: is "
                                        "there space?");
    return code;
  } catch (const descent::FileError& e) {
    std::cerr << e.what() << "\n";
    code = app::kBadInput;
  } catch (const descent::NonFiniteError& e) {
    std::cerr << e.what() << "\n";
    code = app::kTrainingFailed;
  } catch (const descent::Error& e) {
    std::cerr << e.what() << "\n";
  } catch (const std::exception& e) {
    std::cerr << "descent: " << e.what() << "\n";
    code = app::kBadInput;
  }
  return code;
}
