// descent explain: the cards.
#include "commands.h"

#include <iostream>

namespace app {

using namespace descent;

int explain_command(const std::string& name, bool markdown) {
  if (markdown) {
    std::cout << optim::markdown_table();
    return kOk;
  }
  if (!name.empty()) {
    std::cout << optim::explain(optim::find_optimizer(name));
    return kOk;
  }
  for (const optim::Entry& e : optim::registry())
    std::cout << e.name << std::string(14 - e.name.size(), ' ') << e.card.title << "\n";
  std::cout << "\nMore with: descent explain NAME\n";
  return kOk;
}

}  // namespace app
