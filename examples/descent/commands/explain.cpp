// descent explain: the cards.
#include "commands/commands.h"

#include <algorithm>
#include <iostream>

namespace app {

using namespace descent;

int names_command() {
  for (const optim::Entry& e : optim::registry())
    if (!e.is_wrapper) std::cout << e.name << "\n";
  return kOk;
}

int explain_command(const std::vector<std::string>& names, bool compare, bool markdown) {
  if (markdown) {
    std::cout << optim::markdown_table();
    return kOk;
  }
  if (compare) {
    std::cout << optim::compare_cards(names);
    return kOk;
  }
  for (std::size_t i = 0; i < names.size(); ++i)
    std::cout << (i > 0 ? "\n" : "") << optim::explain(optim::find_optimizer(names[i]));
  if (!names.empty()) return kOk;
  std::size_t width = 0;
  for (const optim::Entry& e : optim::registry()) width = std::max(width, e.name.size());
  for (const bool wrappers : {false, true}) {
    std::cout << (wrappers ? "\nWrappers, around any of them, as sam(adamw):\n\n" : "");
    for (const optim::Entry& e : optim::registry())
      if (e.is_wrapper == wrappers)
        std::cout << e.name << std::string(width - e.name.size() + 2, ' ') << e.card.title << "\n";
  }
  std::cout << "\nMore with: descent explain NAME, descent explain --compare NAME NAME …\n";
  return kOk;
}

}  // namespace app
