// The command-line program `descent`.
//
// Exit codes: 0 ok, 2 wrong usage, 3 bad input, 4 training failed; 130 when interrupted.
#include "commands/commands.h"

#include <algorithm>
#include <iostream>

int main(int argc, char** argv) {
  CLI::App program("Trains small networks and compares optimizers.", "descent");
  program.require_subcommand(1);
  program.set_version_flag("--version", "descent 0.1.0");
  program.footer(
      "Exit codes: 0 ok, 2 wrong usage, 3 bad input, 4 training failed, 130 interrupted.");
  app::Options train, compare;
  compare.optimizer.clear();
  std::vector<std::string> names, only;
  std::string claims_out;
  bool side_by_side = false, only_names = false, markdown = false;
  CLI::App* train_command = program.add_subcommand("train", "Train a network on a data set");
  CLI::App* compare_command = program.add_subcommand(
      "compare", "Train with every optimizer, side by side, and write a report");
  CLI::App* explain_command =
      program.add_subcommand("explain", "What an optimizer does, and when to use it");
  CLI::App* claims_command =
      program.add_subcommand("claims", "Measure what is claimed of optimizers, with pictures");
  claims_command->add_option("--only", only, "names of claims, as sam,adamw (default: all)")
      ->delimiter(',');
  claims_command->add_option("--out", claims_out,
                             "folder for claims.html (default: the present one)");
  app::add_options(*train_command, train, false);
  app::add_options(*compare_command, compare, true);
  explain_command->add_option("name", names, "optimizers (default: list them all)");
  explain_command->add_flag("--compare", side_by_side, "the named ones side by side");
  explain_command->add_flag("--names", only_names, "the names of the rules, one a line");
  explain_command->add_flag("--markdown", markdown, "all of them as the table of the README");

  if (argc > 1 && argv[1][0] != '-') {
    const std::vector<std::string> commands{"train", "compare", "claims", "explain"};
    if (std::find(commands.begin(), commands.end(), argv[1]) == commands.end()) {
      const std::string near = descent::nearest_match(argv[1], commands);
      std::cerr << "descent: got the command '" << argv[1]
                << "', expected train, compare, claims or explain."
                << (near.empty() ? "" : " Hint: did you mean '" + near + "'?") << "\n";
      return app::kUsage;
    }
  }
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const int code = program.exit(e);
    return code == 0 ? app::kOk : app::kUsage;
  }
  try {
    const int threads = *train_command ? train.threads : compare.threads;
    if (threads > 0) descent::set_num_threads(threads);
    descent::num_threads();  // refuses a wrong DESCENT_NUM_THREADS now, not in the middle
    if (*train_command) return app::train_command(train);
    if (*compare_command) return app::compare_command(compare);
    if (*claims_command) return app::claims_command(only, claims_out);
    if (only_names) return app::names_command();
    return app::explain_command(names, side_by_side, markdown);
  } catch (const descent::FileError& e) {
    std::cerr << e.what() << "\n";
    return app::kBadInput;
  } catch (const descent::NonFiniteError& e) {
    std::cerr << e.what() << "\n";
    return app::kTrainingFailed;
  } catch (const descent::Error& e) {
    std::cerr << e.what() << "\n";
    return app::kUsage;
  } catch (const std::exception& e) {
    std::cerr << "descent: " << e.what() << "\n";
    return app::kBadInput;
  }
}
