"""Generated pictures with known answers: screens, letters, drawings, parts, textures, plates.

:func:`generate.scene` draws one. A score is fitted and judged on them, next to photographs.
"""
