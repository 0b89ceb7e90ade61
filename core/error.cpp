#include <descent/core/error.h>

namespace descent {

void Error::add_module(std::string_view name, std::string_view configuration) {
  if (path_.empty()) {
    path_ = name;
    configuration_ = configuration;
  } else {
    path_ = to_text(name, ".", path_);
  }
  text_ = to_text(message_, "\n  in ", path_, " (", configuration_, ")");
}

}  // namespace descent
