#include <descent/core/error.h>
#include <descent/optim/trace.h>

#include <fstream>
#include <memory>

namespace descent::optim {

Tracer csv_tracer(const std::string& path) {
  auto file = std::make_shared<std::ofstream>(path);
  if (!*file) fail<FileError>("csv_tracer", "could not open '", path, "' to write");
  *file << "step,parameter,gradient_norm,used_norm,weight_norm,update_norm,ratio,effective_rate,"
           "clipped,non_finite\n";
  return [file](const TraceRow& r) {
    std::string name(r.parameter);
    if (name.find_first_of(",\"\n") != std::string::npos) {  // quoted, as RFC 4180 says
      for (std::size_t at = 0; (at = name.find('"', at)) != std::string::npos; at += 2)
        name.insert(at, 1, '"');
      name = "\"" + name + "\"";
    }
    *file << to_text(r.step, ",", name, ",", r.gradient_norm, ",", r.used_norm, ",", r.weight_norm,
                     ",", r.update_norm, ",", r.ratio, ",", r.effective_rate, ",",
                     r.clipped ? 1 : 0, ",", r.non_finite, "\n")
          << std::flush;
  };
}

}  // namespace descent::optim
