# cmake --build BUILD --target docs: the API pages, in BUILD/docs/html. Needs Doxygen, and says so.
configure_file(${CMAKE_CURRENT_LIST_DIR}/Doxyfile.in ${PROJECT_BINARY_DIR}/docs/Doxyfile @ONLY)
add_custom_target(docs
  COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/docs.sh ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/docs VERBATIM)
