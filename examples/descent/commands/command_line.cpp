// The command line: which command it names, and with which options.
#include "commands/commands.h"
#include "run/choice.h"

#include <CLI/CLI.hpp>
#include <array>

namespace app {
namespace {

constexpr std::array kCommands{&kTrain,  &kPredict, &kEvaluate, &kImportance,
                               &kExport, &kCompare, &kExplain,  &kClaims};

/// Names the first word that no option of the command takes. CLI11 would name all words, the last
/// one first.
[[noreturn]] void refuse_extras(const CLI::App& program) {
  const std::vector<std::string> words = program.remaining(true);
  const auto option = std::ranges::find_if(words, [](const auto& w) { return w.starts_with('-'); });
  const std::string word = option != words.end() ? *option : words.empty() ? "" : words[0];
  const CLI::App* const command =
      program.get_subcommands().empty() ? &program : program.get_subcommands()[0];
  std::vector<std::string> names;
  for (const CLI::Option* o : command->get_options())
    if (!o->get_positional()) names.push_back(o->get_name());
  const std::string near = did_you_mean(word.substr(0, word.find('=')), names);
  descent::fail<UsageError>("descent", "got '", descent::brief(word),
                            "', expected options of `descent ", command->get_name(), " --help`",
                            near);
}

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
  } catch (const CLI::ExtrasError&) {
    refuse_extras(program);
  } catch (const CLI::ParseError& e) {
    return [code = program.exit(e) == 0 ? kOk : kUsage] { return code; };
  }
  return chosen;
}

}  // namespace app
