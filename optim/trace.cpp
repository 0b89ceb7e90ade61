#include <descent/core/error.h>
#include <descent/optim/trace.h>

#include <fstream>
#include <iomanip>
#include <memory>

namespace descent::optim {

Tracer csv_tracer(const std::string& path) {
  auto file = std::make_shared<std::ofstream>(path);
  if (!*file) fail<FileError>("csv_tracer", "could not open '", path, "' to write");
  *file << "step,parameter,gradient_norm,used_norm,weight_norm,update_norm,ratio,effective_rate,"
           "clipped,non_finite\n";
  return [file, path](const TraceRow& r) {
    *file << to_text(r.step, ",");
    if (r.parameter.find_first_of(",\"\n") == r.parameter.npos)
      *file << r.parameter;
    else
      *file << std::quoted(r.parameter, '"', '"');  // as RFC 4180 says
    *file << to_text(",", r.gradient_norm, ",", r.used_norm, ",", r.weight_norm, ",", r.update_norm,
                     ",", r.ratio, ",", r.effective_rate, ",", r.clipped ? 1 : 0, ",", r.non_finite,
                     "\n")
          << std::flush;
    if (!*file)
      fail<FileError>("csv_tracer", "could not write '", path, "'. Hint: is there space?");
  };
}

}  // namespace descent::optim
