// descent explain: the cards of optimizers, or their names.
#include "commands/commands.h"
#include "run/optimizer.h"

#include <CLI/CLI.hpp>
#include <iostream>

namespace app {

using namespace descent;

namespace {

void list_all() {
  std::size_t width = 0;
  for (const optim::Entry& e : optim::registry()) width = std::max(width, e.name.size());
  for (const bool wrappers : {false, true}) {
    std::cout << (wrappers ? "\nWrappers, around most rules, as sam(adamw):\n\n" : "");
    for (const optim::Entry& e : optim::registry())
      if (e.is_wrapper == wrappers)
        std::cout << e.name << std::string(width - e.name.size() + 2, ' ') << e.card.title << "\n";
  }
  std::cout << "\nMore with: descent explain NAME, descent explain --compare NAME NAME …\n";
}

void explain_each(const std::vector<std::string>& names) {
  for (std::size_t i = 0; i < names.size(); ++i)
    std::cout << (i > 0 ? "\n" : "") << optim::explain(optim::find_optimizer(names[i]));
}

struct Asked {
  std::vector<std::string> names;
  bool side_by_side = false, only_names = false, markdown = false;
};

int explain(const Asked& a) {
  if (a.only_names)
    std::cout << joined(rule_names(), "\n") << "\n";
  else if (a.markdown)
    std::cout << optim::markdown_table();
  else if (a.side_by_side)
    std::cout << optim::compare_cards(a.names);
  else if (a.names.empty())
    list_all();
  else
    explain_each(a.names);
  return kOk;
}

std::function<int()> add(CLI::App& app) {
  const auto a = std::make_shared<Asked>();
  app.add_option("name", a->names, "optimizers (default: list them all)");
  app.add_flag("--compare", a->side_by_side, "the named ones side by side");
  app.add_flag("--names", a->only_names, "the names of the rules, one a line");
  app.add_flag("--markdown", a->markdown, "all of them as the table of optim/README.md");
  return [a] { return explain(*a); };
}

}  // namespace

const Command kExplain{"explain", "What an optimizer does, and when to use it", add};

}  // namespace app
